//! A director to whom bad things happen: it is killed, its table is changed behind its back, the module goes away; and a
//! large configuration. Each test is a job in the guest; add one to [`TESTS`].

use std::fs;

use ha_lab::{GuestProgram, Implementation, LabError, Result, UserModeKernel, seconds};
use nix::sys::signal::Signal;

use crate::director::{Director, LIMIT, only_in};
use crate::expectation::shown;
use crate::netlink_monitor::NetlinkMonitor;
use crate::scenario::Table;
use crate::{player, scene};

/// Runs one test; its words are the test's name, and `ours` or `legacy`.
pub const PROGRAM: GuestProgram = GuestProgram {
    name: "resilience",
    run: in_the_guest,
};

/// One test.
pub struct Test {
    /// Its name in the report.
    pub name: &'static str,
    /// What happens.
    run: fn(Implementation) -> Result<()>,
    /// Why the legacy cannot be asked to pass.
    pub not_for_legacy: Option<&'static str>,
    /// Whether it does something to the whole kernel, so that nobody else may use that meanwhile.
    pub alone: bool,
}

/// All of them.
pub const TESTS: &[Test] = &[
    Test {
        name: "killed_and_started_again",
        run: killed_and_started_again,
        not_for_legacy: None,
        alone: false,
    },
    Test {
        name: "table_flushed_by_hand",
        run: table_flushed_by_hand,
        not_for_legacy: Some("it does not notice until a server changes its state"),
        alone: false,
    },
    Test {
        name: "entries_changed_by_hand",
        run: entries_changed_by_hand,
        not_for_legacy: Some("it does not notice until a server changes its state"),
        alone: false,
    },
    Test {
        name: "entries_of_others_are_left_alone",
        run: entries_of_others_are_left_alone,
        not_for_legacy: None,
        alone: false,
    },
    Test {
        name: "a_reload_that_fails_changes_nothing",
        run: a_reload_that_fails_changes_nothing,
        not_for_legacy: Some("after such a reload it checks nothing any more"),
        alone: false,
    },
    Test {
        name: "a_reload_with_a_bad_receive_changes_nothing",
        run: a_reload_with_a_bad_receive_changes_nothing,
        not_for_legacy: Some("it takes the file, and dies when a server answers"),
        alone: false,
    },
    Test {
        name: "a_reload_keeps_who_is_in_maintenance_by_host_name",
        run: a_reload_keeps_who_is_in_maintenance_by_host_name,
        not_for_legacy: Some("it asks the name server before every check, and waits"),
        alone: false,
    },
    Test {
        name: "module_unloaded",
        run: module_unloaded,
        not_for_legacy: Some("it does not notice until a server changes its state"),
        alone: true,
    },
    Test {
        name: "a_thousand_services",
        run: a_thousand_services,
        not_for_legacy: Some("it starts a process for each of 11,000 changes"),
        alone: true,
    },
];

/// Runs one in the guest.
pub fn run(kernel: &UserModeKernel, test: &Test, under_test: Implementation) -> Result<()> {
    if let (Implementation::Legacy, Some(reason)) = (under_test, test.not_for_legacy) {
        return Err(LabError::Unavailable(format!(
            "not for the legacy: {reason}"
        )));
    }
    let output = kernel
        .start_job(PROGRAM.name, &[test.name, under_test.word()])?
        .finish(seconds(300))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::unexpected(format!(
        "{}{}",
        output.stdout, output.stderr
    )))
}

fn in_the_guest(words: &[String]) -> Result<()> {
    let name = words.first().map_or("", String::as_str);
    let under_test = match words.get(1).map(String::as_str) {
        Some("legacy") => Implementation::Legacy,
        _ => Implementation::Ours,
    };
    match TESTS.iter().find(|test| test.name == name) {
        Some(test) => (test.run)(under_test),
        None => Err(LabError::unexpected(format!("no test {name:?}"))),
    }
}

const TWO_SERVERS: &str = "\
checktimeout=3
checkinterval=1
autoreload=no
logfile=\"/var/log/ldirectord.log\"
quiescent=yes
virtual=192.168.6.66:80
    real=192.168.6.42:80 gate 2
    real=192.168.6.46:80 gate 3
    service=http
    request=\"index.html\"
    receive=\"woshi\"
    scheduler=wrr
    protocol=tcp
    checktype=negotiate
";

const SERVICE: &str = "-A -t 192.168.6.66:80 -s wrr";
const FIRST: &str = "-a -t 192.168.6.66:80 -r 192.168.6.42:80 -g -w 2";
const SECOND: &str = "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 3";
const SECOND_OUT: &str = "-a -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 0";
const BOTH: &[&str] = &[SERVICE, FIRST, SECOND];

/// A director with [`TWO_SERVERS`], both in service.
fn with_two_servers() -> Result<Director> {
    let mut director = Director::new(TWO_SERVERS)?;
    director.servers.set("192.168.6.42:80", "ok woshi")?;
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.command("start")?;
    director.wait_table(BOTH)?;
    // The legacy takes each server in and out again while it starts.
    director.wait_log("Restored real server: 192.168.6.42:80")?;
    director.wait_log("Restored real server: 192.168.6.46:80")?;
    director.wait_table(BOTH)?;
    director.mark();
    Ok(director)
}

/// The table survives its director, and the next one takes it over: who is up never leaves it.
fn killed_and_started_again(under_test: Implementation) -> Result<()> {
    let mut director = with_two_servers()?;
    director.kill()?;
    director.wait_table(BOTH)?;
    director.servers.set("192.168.6.46:80", "down")?;
    director.command("start")?;
    let second_is_out = |table: &Table| table.lines().iter().any(|line| line == SECOND_OUT);
    if under_test == Implementation::Legacy {
        // 4.12 sets the weights of an inherited table to 0 before it has checked anything.
        director.wait_table(&[SERVICE, FIRST, SECOND_OUT])?;
    } else {
        director.never_without(FIRST, second_is_out)?;
    }
    director.wait_log("Quiescent real server: 192.168.6.46:80")?;
    if !director.is_running() {
        return Err(LabError::unexpected("the second director does not run"));
    }
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.wait_table(BOTH)?;
    director.stop()?;
    director.wait_table(&[])
}

/// `ipvsadm -C`: everything comes back, and the log says so.
fn table_flushed_by_hand(_: Implementation) -> Result<()> {
    let director = with_two_servers()?;
    scene::run("ipvsadm -C")?;
    director.wait_table(BOTH)?;
    director.wait_log("Added virtual server: 192.168.6.66:80")?;
    director.wait_log("192.168.6.42:80 (192.168.6.66:80) (Weight set to 2)")?;
    director.wait_log("192.168.6.46:80 (192.168.6.66:80) (Weight set to 3)")?;
    director.stop()?;
    director.wait_table(&[])
}

/// A server taken out by hand is put back; a weight set by hand stays, for that is how one drains a server.
fn entries_changed_by_hand(_: Implementation) -> Result<()> {
    let mut director = with_two_servers()?;
    scene::run("ipvsadm -e -t 192.168.6.66:80 -r 192.168.6.46:80 -g -w 77")?;
    let by_hand = SECOND.replace("-w 3", "-w 77");
    scene::run("ipvsadm -d -t 192.168.6.66:80 -r 192.168.6.42:80")?;
    director.wait_table(&[SERVICE, FIRST, &by_hand])?;
    director.wait_log("Added real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 2)")?;
    director.servers.set("192.168.6.46:80", "down")?;
    director.wait_table(&[SERVICE, FIRST, SECOND_OUT])?;
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.wait_table(BOTH)?;
    director.stop()
}

/// Services that no configuration mentions stay, whatever the director does.
fn entries_of_others_are_left_alone(_: Implementation) -> Result<()> {
    let mut director = with_two_servers()?;
    let foreign = "-A -t 192.0.2.1:80 -s rr";
    scene::run("ipvsadm -A -t 192.0.2.1:80 -s rr")?;
    director.servers.set("192.168.6.46:80", "down")?;
    director.wait_table(&[SERVICE, FIRST, SECOND_OUT, foreign])?;
    director.signal(Signal::SIGHUP)?;
    director.wait_log("Reloading Linux Director Daemon config on signal")?;
    director.stop()?;
    director.wait_table(&[foreign])
}

/// A configuration with an error in it: the one in force stays in force.
fn a_reload_that_fails_changes_nothing(_: Implementation) -> Result<()> {
    let mut director = with_two_servers()?;
    let broken = TWO_SERVERS.replace("gate 3", "gate 9") + "    bogus=1\n";
    director.configure(&broken)?;
    director.signal(Signal::SIGHUP)?;
    director.wait_log("Unknown command")?;
    director.servers.set("192.168.6.46:80", "down")?;
    director.wait_table(&[SERVICE, FIRST, SECOND_OUT])?;
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.wait_table(BOTH)?;
    director.configure(&TWO_SERVERS.replace("gate 3", "gate 4"))?;
    director.signal(Signal::SIGHUP)?;
    director.wait_table(&[SERVICE, FIRST, &SECOND.replace("-w 3", "-w 4")])?;
    director.stop()
}

/// A `receive` that is no regular expression: refused by the command, and by the daemon, which says why and goes on.
fn a_reload_with_a_bad_receive_changes_nothing(_: Implementation) -> Result<()> {
    let mut director = with_two_servers()?;
    let pid = director.pid()?;
    let broken = TWO_SERVERS.replace("gate 3", "gate 9 \"index.html\", \"wo(shi\"");
    director.configure(&broken)?;
    if director.command("reload").is_ok() {
        return Err(LabError::unexpected("reload took a bad receive"));
    }
    director.mark();
    director.signal(Signal::SIGHUP)?;
    director.wait_log("receive \"wo(shi\" is not a valid regular expression: unmatched (")?;
    director.servers.set("192.168.6.46:80", "down")?;
    director.wait_table(&[SERVICE, FIRST, SECOND_OUT])?;
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.wait_table(BOTH)?;
    if director.pid()? != pid || !director.is_running() {
        return Err(LabError::unexpected("another daemon runs"));
    }
    director.stop()
}

/// A file in `maintenancedir` is called after a host, and at the reload no name server answers.
fn a_reload_keeps_who_is_in_maintenance_by_host_name(_: Implementation) -> Result<()> {
    let text = format!("maintenancedir=/run/test/maintenance\n{TWO_SERVERS}");
    let mut director = Director::new(&text)?;
    scene::write("/tmp/hosts", "192.168.6.42 web1.example.org web1\n")?;
    scene::write("/tmp/resolv.conf", "nameserver 127.0.0.1\n")?;
    scene::run(
        "mount --bind /tmp/hosts /etc/hosts
         mount --bind /tmp/resolv.conf /etc/resolv.conf
         mkdir /run/test/maintenance",
    )?;
    // The name server that never answers.
    let _port = std::net::UdpSocket::bind("127.0.0.1:53")
        .map_err(|error| LabError::Io("port 53".into(), error))?;
    director.servers.set("192.168.6.42:80", "ok woshi")?;
    director.servers.set("192.168.6.46:80", "ok woshi")?;
    director.command("start")?;
    director.wait_table(BOTH)?;
    scene::write("/run/test/maintenance/web1", "")?;
    let first_out = FIRST.replace("-w 2", "-w 0");
    director.wait_table(&[SERVICE, &first_out, SECOND])?;
    scene::write("/tmp/hosts", "127.0.0.1 localhost\n")?;
    let mark = director.servers.received().len();
    director.configure(&text.replace("gate 3", "gate 4"))?;
    director.signal(Signal::SIGHUP)?;
    let second = SECOND.replace("-w 3", "-w 4");
    director.wait_table(&[SERVICE, &first_out, &second])?;
    // Whoever is not in maintenance any more would be checked by now.
    let checked = |address: &str| {
        let received = director.servers.received();
        let new = received.iter().skip(mark);
        new.filter(|(to, _)| to.ip().to_string() == address).count()
    };
    ha_lab::wait_until("five checks of the other server", LIMIT, || {
        checked("192.168.6.46") >= 5
    })?;
    let released = checked("192.168.6.42");
    if released > 0 {
        return Err(LabError::unexpected(format!(
            "the server in maintenance was checked {released} times"
        )));
    }
    director.wait_table(&[SERVICE, &first_out, &second])?;
    director.stop()
}

/// The module goes away under the director, table and all, and comes back by itself.
fn module_unloaded(_: Implementation) -> Result<()> {
    let director = with_two_servers()?;
    scene::run("ipvsadm -C")?;
    // Its users among the modules first. The director may be quicker than we are and fill the table again.
    let unload = "for try in $(seq 50); do
        ipvsadm -C
        rmmod ip_vs_wrr ip_vs 2>/dev/null || rmmod ip_vs 2>/dev/null || true
        lsmod | grep -q '^ip_vs ' || exit 0
    done; exit 1";
    scene::run(unload)?;
    director.wait_table(BOTH)?;
    director.wait_log("Added virtual server: 192.168.6.66:80")?;
    if !director.is_running() {
        return Err(LabError::unexpected("the director did not survive"));
    }
    director.stop()?;
    director.wait_table(&[])
}

const SERVICES: usize = 1000;
const SERVERS: usize = 10;

/// A configuration of a thousand services with ten real servers each.
fn a_thousand_services_configured(changed_weight: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "checktimeout=3\ncheckinterval=5\nautoreload=no\nlogfile=\"/var/log/ldirectord.log\"\nquiescent=yes\n",
    );
    for service in 0..SERVICES {
        let _ = writeln!(
            text,
            "virtual=10.9.{}.{}:80",
            service / 250,
            service % 250 + 1
        );
        for server in 0..SERVERS {
            let weight = if (service, server) == (500, 5) {
                changed_weight
            } else {
                1
            };
            let _ = writeln!(
                text,
                "    real=10.{}.{}.{}:80 gate {weight}",
                10 + server,
                service / 250,
                service % 250 + 1
            );
        }
        // Without checks: what is measured is the table.
        text.push_str("    service=none\n    checktype=on\n    scheduler=rr\n    protocol=tcp\n");
    }
    text
}

/// Load, reload with one change, stop; the reload touches the changed entry and nothing else.
fn a_thousand_services(_: Implementation) -> Result<()> {
    let director = Director::new(&a_thousand_services_configured(1))?;
    let begun = std::time::Instant::now();
    director.command("start")?;
    wait_for_size(SERVICES, SERVICES * SERVERS)?;
    println!("loaded after {:.1} s", begun.elapsed().as_secs_f64());
    // Weights included: all are in service.
    let before = settled_table()?;
    let monitor = NetlinkMonitor::new()?;
    director.configure(&a_thousand_services_configured(9))?;
    let begun = std::time::Instant::now();
    director.signal(Signal::SIGHUP)?;
    let changed = "-a -t 10.9.2.1:80 -r 10.15.2.1:80 -g -w 9";
    ha_lab::wait_until("the changed weight", LIMIT, || {
        player::table().is_ok_and(|table| table.lines().iter().any(|line| line == changed))
    })?;
    println!("reloaded after {:.1} s", begun.elapsed().as_secs_f64());
    let after = player::table()?;
    if only_in(&after, &before) != [changed] || only_in(&before, &after).len() != 1 {
        return Err(LabError::unexpected(format!(
            "the reload changed\n{}\ninto\n{}",
            shown(&only_in(&before, &after)),
            shown(&only_in(&after, &before))
        )));
    }
    let changes = monitor.changes()?;
    if changes != 1 {
        return Err(LabError::unexpected(format!(
            "the reload sent {changes} changes to the kernel, one would do"
        )));
    }
    director.stop()?;
    director.wait_table(&[])
}

fn wait_for_size(services: usize, servers: usize) -> Result<()> {
    let size = || {
        let list = fs::read_to_string("/proc/net/ip_vs").unwrap_or_default();
        let lines = list.lines().skip(3);
        lines.fold((0, 0), |(services, servers), line| {
            if line.trim_start().starts_with("->") {
                (services, servers + 1)
            } else {
                (services + 1, servers)
            }
        })
    };
    ha_lab::wait_until("the whole table", LIMIT, || size() == (services, servers))
        .map_err(|error| LabError::unexpected(format!("{error}; there are {:?}", size())))
}

/// The table once every server of it is in service.
fn settled_table() -> Result<Table> {
    let mut table = Table::default();
    ha_lab::wait_until("all servers in service", LIMIT, || {
        table = player::table().unwrap_or_default();
        !table.lines().iter().any(|line| line.ends_with("-w 0"))
    })?;
    Ok(table)
}
