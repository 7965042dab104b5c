//! The user-mode kernel itself: IPVS, laboratories inside it, and that nothing of it stays behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ha_lab::{
    COMMAND_LIMIT, GuestProgram, HostSpec, KernelOptions, Lab, LabError, Result, UserModeKernel,
    millis, seconds, wait_until,
};

/// What runs in the guest.
pub const PROGRAMS: &[GuestProgram] = &[
    GuestProgram {
        name: "lab-in-the-guest",
        run: lab_in_the_guest,
    },
    GuestProgram {
        name: "direct-routing-in-the-guest",
        run: direct_routing_in_the_guest,
    },
];

/// The argument that makes this program the victim of [`nothing_stays_behind`].
pub const VICTIM: &str = "--boot-a-kernel-and-wait";

/// A virtual service can be made, is shown, and the machine's own kernel knows nothing of it.
pub fn it_has_ipvs(kernel: &UserModeKernel) -> Result<()> {
    let done = kernel.sh(
        "ipvsadm -A -t 192.0.2.1:80 -s wrr && ipvsadm -a -t 192.0.2.1:80 -r 192.0.2.2:80 -g -w 3 && ipvsadm -Sn; ipvsadm -C",
        COMMAND_LIMIT,
    )?;
    let lines: Vec<&str> = done.stdout.lines().map(str::trim).collect();
    let wanted = [
        "-A -t 192.0.2.1:80 -s wrr",
        "-a -t 192.0.2.1:80 -r 192.0.2.2:80 -g -w 3",
    ];
    if lines == wanted {
        return Ok(());
    }
    Err(LabError::unexpected(format!(
        "the table is {lines:?}, {}",
        done.stderr
    )))
}

/// What is written in the guest is not written on the machine.
pub fn the_machine_is_not_written(kernel: &UserModeKernel) -> Result<()> {
    let name = format!("written-in-the-guest-{}", std::process::id());
    for dir in ["/etc", "/usr/sbin", "/var/lib", "/var/log", "/tmp"] {
        let path = format!("{dir}/{name}");
        kernel
            .sh(&format!("echo x > {path}"), COMMAND_LIMIT)?
            .success()?;
        if Path::new(&path).exists() {
            return Err(LabError::unexpected(format!("{path} is on the machine")));
        }
    }
    Ok(())
}

/// Any bytes and any exit code come through from a job.
pub fn output_comes_through(kernel: &UserModeKernel) -> Result<()> {
    let done = kernel.sh(
        "printf 'a\\tb\\r\\n\\0 %%41 ü\\n'; seq 1 3000; echo err >&2; exit 7",
        COMMAND_LIMIT,
    )?;
    let numbers: String = (1..=3000).map(|n| format!("{n}\n")).collect();
    if done.stdout == format!("a\tb\r\n\0 %41 ü\n{numbers}")
        && done.stderr == "err\n"
        && done.code() == 7
    {
        return Ok(());
    }
    Err(LabError::unexpected(format!("{done:?}")))
}

/// A laboratory works inside the guest, with a table for each host.
pub fn a_lab_works_in_it(kernel: &UserModeKernel) -> Result<()> {
    let done = kernel
        .start_job("lab-in-the-guest", &[])?
        .finish(COMMAND_LIMIT)?;
    done.success().map(drop)
}

fn lab_in_the_guest(_: &[String]) -> Result<()> {
    let lab = Lab::new("in-the-guest")?;
    let alpha = lab.host(HostSpec::new("alpha").nic("eth0", "10.0.0.1/24"))?;
    let beta = lab.host(HostSpec::new("beta").nic("eth0", "10.0.0.2/24"))?;
    // Every host echoes on this port. Not with ping: its owner, who lends it his rights, is not root's for everybody.
    let echo = "bash -c 'exec 3<>/dev/udp/10.0.0.2/7; echo hello >&3; timeout 10 head -c 11 <&3'";
    let answer = alpha.sh(echo)?.stdout;
    if answer.trim() != "hello\n beta" {
        return Err(LabError::unexpected(format!("beta answers {answer:?}")));
    }
    alpha.sh("ipvsadm -A -t 10.0.0.9:80 -s wrr && echo x > /etc/only-on-alpha")?;
    if alpha.sh("ipvsadm -Sn")?.stdout.trim() != "-A -t 10.0.0.9:80 -s wrr" {
        return Err(LabError::unexpected("the table of alpha is another"));
    }
    if !beta.sh("ipvsadm -Sn")?.stdout.is_empty() || beta.exists("/etc/only-on-alpha") {
        return Err(LabError::unexpected("beta has something of alpha's"));
    }
    Ok(())
}

/// A director forwards to real servers by direct routing, all of them hosts of a laboratory in the guest; and the
/// laboratory's faults work there.
pub fn a_director_forwards_in_it(kernel: &UserModeKernel) -> Result<()> {
    let done = kernel
        .start_job("direct-routing-in-the-guest", &[])?
        .finish(COMMAND_LIMIT)?;
    done.success().map(drop)
}

fn direct_routing_in_the_guest(_: &[String]) -> Result<()> {
    const VIP: &str = "10.0.0.100";
    let lab = Lab::new("direct-routing")?;
    let director = lab.host(HostSpec::new("director").nic("eth0", "10.0.0.1/24"))?;
    let client = lab.host(HostSpec::new("client").nic("eth0", "10.0.0.9/24"))?;
    let mut reals = Vec::new();
    let mut webs = Vec::new();
    for (name, address) in [("real1", "10.0.0.2/24"), ("real2", "10.0.0.3/24")] {
        let real = lab.host(HostSpec::new(name).nic("eth0", address))?;
        // The real servers have the virtual address too, but never tell anybody.
        real.sh(&format!(
            "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore
             echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce
             ip addr add {VIP}/32 dev lo"
        ))?;
        webs.push(real.serve_web(name)?);
        reals.push(real);
    }
    director.sh(&format!(
        "ip addr add {VIP}/32 dev eth0
         ipvsadm -A -t {VIP}:80 -s rr
         ipvsadm -a -t {VIP}:80 -r 10.0.0.2:80 -g
         ipvsadm -a -t {VIP}:80 -r 10.0.0.3:80 -g"
    ))?;
    let browser = client.browse(VIP, millis(100), seconds(5))?;
    let answered_by = |name: &str, begin| {
        browser
            .ended_since(begin)
            .iter()
            .any(|request| request.page.as_deref() == Some(name))
    };
    for name in ["real1", "real2"] {
        wait_until(&format!("an answer of {name}"), seconds(20), || {
            answered_by(name, Duration::ZERO)
        })?;
    }
    if let Some(real) = reals.first() {
        lab.cut(real, None)?;
        let begin = browser.now();
        wait_until("a request without an answer", seconds(20), || {
            browser
                .ended_since(begin)
                .iter()
                .any(|request| request.page.is_none())
        })?;
    }
    Ok(())
}

/// Being killed takes the kernel along: the test program runs itself as a victim.
pub fn nothing_stays_behind(_: &UserModeKernel) -> Result<()> {
    let exe =
        std::env::current_exe().map_err(|error| LabError::Io("this program".into(), error))?;
    let mut victim = Command::new(exe)
        .arg(VICTIM)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| LabError::Io("starting a victim".into(), error))?;
    let mut line = String::new();
    if let Some(stdout) = victim.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    let keeper = Path::new("/proc").join(line.trim());
    let lived = !line.trim().is_empty() && keeper.exists();
    let _ = victim.kill();
    let _ = victim.wait();
    if !lived {
        return Err(LabError::unexpected("the victim did not boot a kernel"));
    }
    wait_until("the end of the victim's kernel", seconds(20), || {
        !keeper.exists()
    })
}

/// What the victim does.
pub fn be_a_victim() -> Result<()> {
    let kernel = UserModeKernel::boot(&KernelOptions::default())?;
    println!("{}", kernel.keeper());
    std::thread::sleep(seconds(600));
    Ok(())
}
