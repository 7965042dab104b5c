//! [`ha_net::Ipvs`] on a real kernel, with `ipvsadm -S -n` as the witness.
//!
//! Each case is a job in the guest with a network namespace, and so a table, of its own. The last one unloads the
//! module under everybody's feet: it needs the kernel to itself.

use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::process::Command;

use ha_lab::{COMMAND_LIMIT, GuestProgram, LabError, Result, UserModeKernel};
use ha_net::{Ipvs, Trouble, ipvs_sysctl};
use ipvs::{
    Change, Connections, Destination, DestinationKey, Family, Forward, Netmask, Persistence,
    Protocol, Refusal, Service, ServiceKey, Table,
};
use nix::sys::socket::{setsockopt, sockopt};

/// The program that runs in the guest; its word is the name of a case.
pub const PROGRAM: GuestProgram = GuestProgram {
    name: "ipvs-socket",
    run: in_the_guest,
};

/// Name, and what happens in the guest.
type Case = (&'static str, fn() -> Result<()>);

const CASES: &[Case] = &[
    ("every_kind_of_change", every_kind_of_change),
    ("every_kind_of_error", every_kind_of_error),
    ("what_must_not_be_sent", what_must_not_be_sent),
    ("a_large_table_in_few_batches", a_large_table_in_few_batches),
    ("lost_answers", lost_answers),
    ("switches", switches),
    ("without_privileges", without_privileges),
    ("the_module_is_loaded_anew", the_module_is_loaded_anew),
];

/// Runs all cases, one after the other, in a kernel that nobody else uses meanwhile.
pub fn all(kernel: &UserModeKernel) -> Result<()> {
    kernel.sh("modprobe ip_vs", COMMAND_LIMIT)?;
    for (name, _) in CASES {
        let output = kernel
            .start_job(PROGRAM.name, &[name])?
            .finish(COMMAND_LIMIT)?;
        if !output.status.success() {
            let text = format!("{name}: {}\n{}", output.stdout, output.stderr);
            return Err(LabError::unexpected(text));
        }
    }
    Ok(())
}

fn in_the_guest(words: &[String]) -> Result<()> {
    let wanted = words.first().map_or("", String::as_str);
    // Without any address of its own a namespace takes every address for a broadcast one, and IPVS refuses it.
    command("ip", &["link", "set", "lo", "up"])?;
    match CASES.iter().find(|(name, _)| *name == wanted) {
        Some((_, case)) => case(),
        None => Err(LabError::unexpected(format!("no case {wanted:?}"))),
    }
}

fn every_kind_of_change() -> Result<()> {
    let mut ipvs = open()?;
    let web = address(Protocol::Tcp, "192.168.6.66", 80);
    let web6 = address(Protocol::Tcp, "fd00:6::66", 80);
    let dns = address(Protocol::Udp, "192.168.6.66", 53);
    let marked = mark(1, Family::V4);
    let persistent = |key, scheduler, timeout_s, netmask| {
        let mut service = Service::new(key, scheduler);
        service.persistence = Some(Persistence { timeout_s, netmask });
        service
    };
    let mut by_source = Service::new(dns, "sh");
    by_source.one_packet = true;
    by_source.scheduler_flags.second = true;
    let limited = Destination {
        upper_threshold: 9,
        lower_threshold: 5,
        ..server("192.168.6.43", 0, Forward::Gate, 0)
    };
    let slash24 = Netmask::V4([255, 255, 255, 0].into());
    let steps: [&[Change]; 4] = [
        &[
            Change::AddService(persistent(web, "wrr", 5, Netmask::full(Family::V4))),
            Change::AddService(by_source),
            Change::AddService(Service::new(
                address(Protocol::Sctp, "192.168.6.9", 443),
                "rr",
            )),
            Change::AddService(Service::new(
                address(Protocol::Tcp, "192.168.6.66", 443),
                "rr",
            )),
            Change::AddService(persistent(web6, "wrr", 10, Netmask::V6(64))),
            Change::AddService(Service::new(
                address(Protocol::Udp, "fd00:6::66", 443),
                "rr",
            )),
            Change::AddService(persistent(marked, "wlc", 600, slash24)),
            Change::AddService(Service::new(mark(1, Family::V6), "rr")),
            Change::AddService(Service::new(mark(2, Family::V6), "rr")),
        ],
        &[
            Change::AddDestination(web, server("192.168.6.42", 80, Forward::Gate, 2)),
            Change::AddDestination(web, server("192.168.6.47", 15080, Forward::Masq, 3)),
            Change::AddDestination(web, server("192.168.6.48", 80, Forward::Ipip, 1)),
            Change::AddDestination(web, server("192.168.6.100", 80, Forward::Gate, 0)),
            Change::AddDestination(web, server("fd00:6::48", 80, Forward::Ipip, 1)),
            Change::AddDestination(web6, server("fd00:6::42", 80, Forward::Gate, 70_000)),
            Change::AddDestination(marked, server("192.168.6.42", 0, Forward::Gate, 1)),
            Change::AddDestination(marked, limited.clone()),
        ],
        &[
            // Persistence off, another method, other limits.
            Change::EditService(Service::new(web, "rr")),
            Change::EditService(persistent(web6, "wrr", 11, Netmask::full(Family::V6))),
            Change::EditDestination(web, server("192.168.6.42", 80, Forward::Masq, 7)),
            Change::EditDestination(web, server("fd00:6::48", 80, Forward::Ipip, 2)),
            Change::EditDestination(
                marked,
                Destination {
                    upper_threshold: 0,
                    lower_threshold: 0,
                    ..limited
                },
            ),
        ],
        &[
            Change::DeleteDestination(web, server("fd00:6::48", 80, Forward::Ipip, 1).key),
            Change::DeleteDestination(web, server("192.168.6.48", 80, Forward::Ipip, 1).key),
            Change::DeleteService(marked),
            Change::DeleteService(mark(1, Family::V6)),
        ],
    ];
    let mut table = Table::default();
    for changes in steps {
        expect(
            "results",
            &ipvs.apply(changes),
            &vec![Ok(()); changes.len()],
        )?;
        for change in changes {
            expect("the model agrees", &table.apply(change), &true)?;
        }
        let reading = read(&mut ipvs)?;
        expect("what we read", &reading.table, &table)?;
        expect("ipvsadm -S -n", &saved()?, &table.save_text())?;
        let idle = Connections::default();
        let all_idle = reading.connections.values().all(|carried| *carried == idle);
        expect("nobody is connected", &all_idle, &true)?;
    }
    Ok(())
}

fn every_kind_of_error() -> Result<()> {
    let mut ipvs = open()?;
    let web = address(Protocol::Tcp, "192.168.6.66", 80);
    let none = address(Protocol::Tcp, "192.168.6.67", 80);
    let there = server("192.168.6.42", 80, Forward::Gate, 1);
    let missing = server("192.168.6.43", 80, Forward::Gate, 1);
    let base = [
        Change::AddService(Service::new(web, "rr")),
        Change::AddDestination(web, there.clone()),
    ];
    expect("the base", &ipvs.apply(&base), &vec![Ok(()); 2])?;
    let cases = [
        (
            Change::AddService(Service::new(web, "rr")),
            libc::EEXIST,
            "Service already exists",
        ),
        (
            Change::AddDestination(web, there.clone()),
            libc::EEXIST,
            "Destination already exists",
        ),
        (
            Change::EditService(Service::new(none, "rr")),
            libc::ESRCH,
            "No such service",
        ),
        (Change::DeleteService(none), libc::ESRCH, "No such service"),
        (
            Change::AddDestination(none, there.clone()),
            libc::ESRCH,
            "Service not defined",
        ),
        (
            Change::EditDestination(none, there.clone()),
            libc::ESRCH,
            "Service not defined",
        ),
        (
            Change::DeleteDestination(none, there.key),
            libc::ESRCH,
            "Service not defined",
        ),
        (
            Change::EditDestination(web, missing.clone()),
            libc::ENOENT,
            "No such destination",
        ),
        (
            Change::DeleteDestination(web, missing.key),
            libc::ENOENT,
            "No such destination",
        ),
        (
            Change::AddService(Service::new(none, "nosuch")),
            libc::ENOENT,
            "Scheduler or persistence engine not found",
        ),
        (
            Change::EditService(Service::new(web, "nosuch")),
            libc::ENOENT,
            "Scheduler or persistence engine not found",
        ),
        (
            Change::AddDestination(web, server("224.0.0.1", 80, Forward::Gate, 1)),
            libc::EINVAL,
            "Invalid argument",
        ),
    ];
    let check = |results: &[std::result::Result<(), Refusal>]| -> Result<()> {
        for ((change, errno, text), result) in cases.iter().zip(results) {
            let refusal = Refusal::Errno(*errno);
            expect(
                &change.to_string(),
                &lvs_director::refusal_text(change, &refusal),
                *text,
            )?;
            expect(&change.to_string(), result, &Err(refusal))?;
        }
        Ok(())
    };
    // All in one batch, and each alone: then an ENOENT might be a module that was loaded anew.
    let changes: Vec<Change> = cases.iter().map(|(change, ..)| change.clone()).collect();
    check(&ipvs.apply(&changes))?;
    for index in 0..changes.len() {
        let alone = ipvs.apply(&changes[index..=index]);
        let refusal = Refusal::Errno(cases[index].1);
        expect(&changes[index].to_string(), &alone, &vec![Err(refusal)])?;
    }
    // A refusal does not keep those behind it from being done, and the last answer counts too.
    let mixed = [
        Change::AddService(Service::new(none, "nosuch")),
        Change::AddService(Service::new(none, "rr")),
        Change::AddService(Service::new(none, "rr")),
        Change::DeleteService(none),
        Change::DeleteService(none),
    ];
    let wanted = vec![
        Err(Refusal::Errno(libc::ENOENT)),
        Ok(()),
        Err(Refusal::Errno(libc::EEXIST)),
        Ok(()),
        Err(Refusal::Errno(libc::ESRCH)),
    ];
    expect("a mixed batch", &ipvs.apply(&mixed), &wanted)
}

fn what_must_not_be_sent() -> Result<()> {
    let mut ipvs = open()?;
    let before = ipvs.messages_sent();
    let web = address(Protocol::Tcp, "192.168.6.66", 80);
    let changes = [
        Change::AddService(Service::new(web, "a-name-that-is-too-long")),
        Change::AddService(Service::new(mark(0, Family::V4), "rr")),
        Change::AddDestination(web, server("192.168.6.42", 80, Forward::Gate, 1 << 31)),
        Change::AddService(Service::new(
            address(Protocol::Tcp, "192.168.6.66", 0),
            "rr",
        )),
    ];
    for (change, result) in changes.iter().zip(ipvs.apply(&changes)) {
        let invalid = matches!(result, Err(Refusal::Invalid(_)));
        expect(&change.to_string(), &invalid, &true)?;
    }
    expect("messages", &ipvs.messages_sent(), &before)?;
    expect("ipvsadm -S -n", &saved()?, "")
}

fn a_large_table_in_few_batches() -> Result<()> {
    let mut ipvs = open()?;
    let changes = large_table(1000, 10);
    let before = (ipvs.messages_sent(), ipvs.batches_sent());
    let results = ipvs.apply(&changes);
    expect("results", &results, &vec![Ok(()); 11_000])?;
    expect("messages", &(ipvs.messages_sent() - before.0), &11_000)?;
    expect("system calls", &(ipvs.batches_sent() - before.1), &43)?;
    let mut table = Table::default();
    for change in &changes {
        table.apply(change);
    }
    let before = ipvs.messages_sent();
    let reading = read(&mut ipvs)?;
    expect("the same table", &(reading.table == table), &true)?;
    expect("connections", &reading.connections.len(), &10_000)?;
    expect("questions", &(ipvs.messages_sent() - before), &1001)?;
    expect("as ipvsadm", &(saved()? == table.save_text()), &true)?;
    // Everything refused: a whole batch of answers.
    let results = ipvs.apply(&changes);
    let refused = vec![Err(Refusal::Errno(libc::EEXIST)); 11_000];
    expect("the same again", &(results == refused), &true)
}

/// With no room for the answers the results are unknown, which is said, and the socket goes on.
fn lost_answers() -> Result<()> {
    let mut ipvs = open()?;
    let changes = large_table(60, 2);
    ipvs.apply(&changes);
    setsockopt(&ipvs.as_fd(), sockopt::RcvBuf, &4096)
        .map_err(|error| LabError::unexpected(format!("SO_RCVBUF: {error}")))?;
    let results = ipvs.apply(&changes);
    let unknown = results
        .iter()
        .filter(|result| **result == Err(Refusal::Unknown))
        .count();
    let refused = results
        .iter()
        .filter(|result| **result == Err(Refusal::Errno(libc::EEXIST)))
        .count();
    expect("none claimed as done", &(unknown + refused), &changes.len())?;
    expect("answers were lost", &(unknown > 0 && refused > 0), &true)?;
    let few = ipvs.apply(&changes[..2]);
    expect(
        "the socket goes on",
        &few,
        &vec![Err(Refusal::Errno(libc::EEXIST)); 2],
    )?;
    expect("and reads", &read(&mut ipvs)?.connections.len(), &120)
}

fn switches() -> Result<()> {
    open()?;
    for (name, read) in [
        (
            "expire_quiescent_template",
            ipvs_sysctl::expire_quiescent_template as fn() -> Option<bool>,
        ),
        ("expire_nodest_conn", ipvs_sysctl::expire_nodest_conn),
    ] {
        expect(name, &read(), &Some(false))?;
        write(&format!("/proc/sys/net/ipv4/vs/{name}"), "1\n")?;
        expect(name, &read(), &Some(true))?;
    }
    Ok(())
}

/// Without CAP_NET_ADMIN every request is refused, also the reading ones.
fn without_privileges() -> Result<()> {
    let mut ipvs = open()?;
    nix::unistd::setuid(65534.into())
        .map_err(|error| LabError::unexpected(format!("setuid: {error}")))?;
    let error = ipvs.read_table().err().and_then(|error| error.errno());
    expect("reading", &error, &Some(libc::EPERM))?;
    let change = Change::AddService(Service::new(mark(1, Family::V4), "rr"));
    let refused = vec![Err(Refusal::Errno(libc::EPERM))];
    expect("changing", &ipvs.apply(&[change]), &refused)
}

fn the_module_is_loaded_anew() -> Result<()> {
    let mut ipvs = open()?;
    let version = ipvs.info().map_err(told)?.version;
    expect("version", &version, &(1, 2, 1))?;
    let changes = large_table(1, 2);
    let done = vec![Ok(()); 3];
    expect("at first", &ipvs.apply(&changes), &done)?;
    // The name alone makes this kernel load the module again, so it has to be kept from that.
    let loader = "/proc/sys/kernel/modprobe";
    let usual = fs::read_to_string(loader).unwrap_or_default();
    unload()?;
    write(loader, "/bin/false\n")?;
    let refused = vec![Err(Refusal::NoIpvs); 3];
    expect("changing without", &ipvs.apply(&changes), &refused)?;
    for (what, error) in [
        ("reading without", ipvs.read_table().err()),
        ("opening without", Ipvs::open().err()),
    ] {
        let trouble = error.map(|error| matches!(error.trouble, Trouble::NoIpvs));
        expect(what, &trouble, &Some(true))?;
    }
    expect("switch", &ipvs_sysctl::expire_nodest_conn(), &None)?;
    write(loader, &usual)?;
    command("modprobe", &["ip_vs"])?;
    expect("changing again", &ipvs.apply(&changes), &done)?;
    // And unnoticed, between one request and the next.
    for what in ["reading next", "changing next"] {
        unload()?;
        command("modprobe", &["ip_vs"])?;
        if what == "reading next" {
            expect(what, &read(&mut ipvs)?.table, &Table::default())?;
        }
        expect(what, &ipvs.apply(&changes), &done)?;
    }
    Ok(())
}

fn unload() -> Result<()> {
    command("ipvsadm", &["-C"])?;
    let modules = fs::read_to_string("/proc/modules").unwrap_or_default();
    let loaded = modules
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("ip_vs_"));
    for scheduler in loaded {
        command("rmmod", &[scheduler])?;
    }
    command("rmmod", &["ip_vs"]).map(drop)
}

/// Services with that many servers each, every service before its servers.
fn large_table(services: u32, servers: u32) -> Vec<Change> {
    let mut changes = Vec::new();
    for number in 0..services {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: IpAddr::from((0x0a00_0000 + number).to_be_bytes()),
            port: 80,
        };
        changes.push(Change::AddService(Service::new(key, "wrr")));
        for server in 0..servers {
            let address = IpAddr::from((0x0b00_0000 + number * 256 + server).to_be_bytes());
            changes.push(Change::AddDestination(
                key,
                Destination {
                    key: DestinationKey { address, port: 80 },
                    forward: Forward::Gate,
                    weight: 1,
                    upper_threshold: 0,
                    lower_threshold: 0,
                },
            ));
        }
    }
    changes
}

fn address(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address {
        protocol,
        address: address.parse().expect("an address"),
        port,
    }
}

fn mark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::Mark { mark, family }
}

fn server(address: &str, port: u16, forward: Forward, weight: u32) -> Destination {
    Destination {
        key: DestinationKey {
            address: address.parse().expect("an address"),
            port,
        },
        forward,
        weight,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn open() -> Result<Ipvs> {
    Ipvs::open().map_err(told)
}

fn read(ipvs: &mut Ipvs) -> Result<ha_net::Reading> {
    ipvs.read_table().map_err(told)
}

fn told(error: ha_net::NetError) -> LabError {
    LabError::unexpected(error.to_string())
}

/// `ipvsadm -S -n`, without blanks at the ends of lines.
fn saved() -> Result<String> {
    let text = command("ipvsadm", &["-S", "-n"])?;
    Ok(text
        .lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect())
}

fn command(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| LabError::unexpected(format!("{program}: {error}")))?;
    if !output.status.success() {
        return Err(LabError::Command(format!(
            "{program} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn write(path: &str, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| LabError::Io(path.into(), error))
}

fn expect<A, B>(what: &str, found: &A, wanted: &B) -> Result<()>
where
    A: PartialEq<B> + std::fmt::Debug + ?Sized,
    B: std::fmt::Debug + ?Sized,
{
    if found == wanted {
        return Ok(());
    }
    Err(LabError::unexpected(format!(
        "{what}\n found: {found:#?}\nwanted: {wanted:#?}"
    )))
}
