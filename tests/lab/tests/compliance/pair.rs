//! Two nodes, a client, two groups, and the questions that every scenario asks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ha_lab::{
    Authkeys, HaCf, Host, HostSpec, Implementation, Lab, LabError, Result, TestRsc, seconds,
    wait_until,
};

/// Alpha's address.
pub const VIP_A: &str = "10.0.0.100";
/// Beta's address.
pub const VIP_B: &str = "10.0.0.101";

/// How a pair is made.
#[derive(Clone, Debug)]
pub struct Variant {
    pub pair: [Implementation; 2],
    pub failback: &'static str,
    pub auth: &'static str,
    pub medium: &'static str,
}

impl Variant {
    /// For the report.
    pub fn label(&self) -> String {
        let [a, b] = self.pair.map(Implementation::word);
        format!("{a}+{b}::{}::{}::{}", self.failback, self.auth, self.medium)
    }
}

/// The pair under test. Node `alpha` owns group `a` (an address and `TestRsc::a`), node `beta` owns group `b`.
pub struct Pair {
    pub lab: Lab,
    pub alpha: Arc<Host>,
    pub beta: Arc<Host>,
    pub client: Arc<Host>,
    pub variant: Variant,
}

/// Error lines that any node may have on any machine.
const ALWAYS_ALLOWED: &[&str] = &["Cannot lock ourselves into memory"];

impl Pair {
    pub fn new(variant: &Variant) -> Result<Pair> {
        for implementation in variant.pair {
            implementation.check_available()?;
        }
        let lab = Lab::new("pair")?;
        let spec = |name: &str, implementation: Implementation, address: &str| {
            HostSpec::new(name)
                .runs(implementation)
                .nic("eth0", address)
                // Most scenarios have no use for the second network.
                .nic_on("eth1", "lan2", &[&address.replace("10.0.0.", "10.0.1.")])
        };
        let alpha = lab.host(spec("alpha", variant.pair[0], "10.0.0.1/24"))?;
        let beta = lab.host(spec("beta", variant.pair[1], "10.0.0.2/24"))?;
        let client = lab.host(HostSpec::new("client").nic("eth0", "10.0.0.9/24"))?;
        let pair = Pair {
            lab,
            alpha,
            beta,
            client,
            variant: variant.clone(),
        };
        for host in pair.nodes() {
            pair.configure(host)?;
            TestRsc::install(host)?;
        }
        pair.set_haresources("")?;
        Ok(pair)
    }

    pub fn nodes(&self) -> [&Arc<Host>; 2] {
        [&self.alpha, &self.beta]
    }

    pub fn other(&self, host: &Arc<Host>) -> &Arc<Host> {
        if Arc::ptr_eq(host, &self.alpha) {
            &self.beta
        } else {
            &self.alpha
        }
    }

    /// Coordinated mode.
    pub fn nice(&self) -> bool {
        self.variant.failback != "legacy"
    }

    fn configure(&self, host: &Host) -> Result<()> {
        host.write("/etc/ha.d/ha.cf", &self.ha_cf(host).text())?;
        self.set_key(host, &Authkeys::new(self.variant.auth, "the secret"))
    }

    /// The ha.cf of a node, for scenarios that need more lines in it.
    pub fn ha_cf(&self, host: &Host) -> HaCf {
        let peer = if host.name() == "alpha" {
            "10.0.0.2"
        } else {
            "10.0.0.1"
        };
        let file = HaCf::for_tests(&["alpha", "beta"]).auto_failback(self.variant.failback);
        match self.variant.medium {
            "ucast" => file.ucast("eth0", peer),
            "mcast" => file.mcast("eth0"),
            _ => file.bcast("eth0"),
        }
    }

    pub fn set_key(&self, host: &Host, keys: &Authkeys) -> Result<()> {
        host.write_mode("/etc/ha.d/authkeys", keys.text(), 0o600)
    }

    /// The two groups, and whatever a scenario adds before them.
    pub fn set_haresources(&self, before: &str) -> Result<()> {
        let text =
            format!("{before}alpha {VIP_A}/24/eth0 TestRsc::a\nbeta {VIP_B}/24/eth0 TestRsc::b\n");
        for host in self.nodes() {
            host.write("/etc/ha.d/haresources", &text)?;
        }
        Ok(())
    }

    // ---- Where things are ----------------------------------------------------------------------------------------

    /// The nodes on which an instance of the test resource runs.
    pub fn runs_on(&self, instance: &str) -> Vec<&str> {
        self.nodes()
            .into_iter()
            .filter(|host| TestRsc::is_running(host, instance))
            .map(|host| host.name())
            .collect()
    }

    /// The nodes that have an address.
    pub fn has_address(&self, address: &str) -> Vec<&str> {
        self.nodes()
            .into_iter()
            .filter(|host| host.has_address(address))
            .map(|host| host.name())
            .collect()
    }

    /// Exactly these nodes, and no others, have group `a` and group `b`, each whole.
    pub fn is_at(&self, a: &str, b: &str) -> bool {
        let whole = |address: &str, instance: &str, node: &str| {
            self.has_address(address) == [node] && self.runs_on(instance) == [node]
        };
        whole(VIP_A, "a", a) && whole(VIP_B, "b", b)
    }

    pub fn until_at(&self, what: &str, limit: Duration, a: &str, b: &str) -> Result<()> {
        wait_until(
            &format!("{what}: group a at {a}, group b at {b}"),
            limit,
            || self.is_at(a, b),
        )
    }

    /// Each group is somewhere, and nowhere twice.
    pub fn one_holder_each(&self) -> bool {
        [("a", VIP_A), ("b", VIP_B)]
            .iter()
            .all(|(instance, address)| {
                let running = self.runs_on(instance);
                running.len() == 1 && self.has_address(address) == running
            })
    }

    /// A condition holds all the time.
    pub fn stays(&self, what: &str, span: Duration, condition: impl Fn() -> bool) -> Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            if !condition() {
                return Err(LabError::unexpected(format!(
                    "it should have stayed so: {what}"
                )));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    // ---- What a scenario does ------------------------------------------------------------------------------------

    pub fn start_both(&self) -> Result<()> {
        self.alpha.start_heartbeat()?;
        self.beta.start_heartbeat()
    }

    /// Both started, each with its own group, and no hand-over under way.
    pub fn settle(&self) -> Result<()> {
        self.start_both()?;
        self.until_at("start", seconds(45), "alpha", "beta")?;
        self.until_quiet()
    }

    /// The resource protocol has nothing under way on either node: no process of a script runs, and both have said
    /// that the remote transition is over.
    pub fn until_quiet(&self) -> Result<()> {
        let said = |host: &Host| {
            !self.nice() || host.log().contains("remote resource transition completed.")
        };
        wait_until("both are settled", seconds(30), || {
            self.nodes().into_iter().all(|host| said(host))
        })?;
        // What follows the last visible step is one message each way.
        self.stays("nobody moves", Duration::from_millis(1500), || true)
    }

    /// hb_standby on a node; the legacy drops requests while anything is in flux, so it is repeated until it takes.
    pub fn standby(&self, host: &Arc<Host>, kind: &str, a: &str, b: &str) -> Result<()> {
        self.ask("hb_standby", host, kind, a, b)
    }

    pub fn takeover(&self, host: &Arc<Host>, kind: &str, a: &str, b: &str) -> Result<()> {
        self.ask("hb_takeover", host, kind, a, b)
    }

    fn ask(&self, tool: &str, host: &Arc<Host>, kind: &str, a: &str, b: &str) -> Result<()> {
        host.tool(tool, &[kind])?;
        self.until_at(
            &format!("{tool} {kind} on {}", host.name()),
            seconds(25),
            a,
            b,
        )?;
        let done = |host: &Host| {
            let log = host.log();
            let last = |text: &str| log.rfind(text);
            let begun = last("wants to go standby");
            let over = last("Standby resource acquisition done")
                .max(last("Other node completed standby takeover"));
            begun < over
        };
        wait_until("the standby is over", seconds(15), || {
            self.nodes().into_iter().all(|host| done(host))
        })?;
        self.stays("nobody moves", Duration::from_millis(700), || {
            self.is_at(a, b)
        })
    }

    /// Switched on again with its disk; heartbeat started.
    pub fn boot(&self, host: &Arc<Host>) -> Result<()> {
        host.power_up(ha_lab::PowerUp::DiskKept)?;
        host.start_heartbeat()
    }

    // ---- What must be true in the end ----------------------------------------------------------------------------

    /// One holder of each group, both nodes see each other active, and nothing in either log is unexplained.
    pub fn check(&self, a: &str, b: &str, allowed: &[&str]) -> Result<()> {
        self.until_at("the end", seconds(10), a, b)?;
        self.check_views()?;
        self.check_logs(allowed)
    }

    pub fn check_views(&self) -> Result<()> {
        for host in self.nodes() {
            let peer = self.other(host).name().to_owned();
            wait_until(
                &format!("{} sees {peer} active", host.name()),
                seconds(20),
                || view(&host.log(), &peer) == "active",
            )?;
        }
        Ok(())
    }

    /// No ERROR or CRIT line but those that are allowed here.
    pub fn check_logs(&self, allowed: &[&str]) -> Result<()> {
        let mut unexplained = BTreeSet::new();
        for host in self.nodes() {
            for line in host.log().lines() {
                let bad = ["ERROR:", "CRIT:", "EMERG:"]
                    .iter()
                    .any(|level| line.contains(level));
                let known = ALWAYS_ALLOWED
                    .iter()
                    .chain(allowed)
                    .any(|text| line.contains(text));
                if bad && !known {
                    unexplained.insert(format!("{}: {line}", host.name()));
                }
            }
        }
        if unexplained.is_empty() {
            return Ok(());
        }
        Err(LabError::unexpected(format!(
            "unexplained lines:\n{}",
            Vec::from_iter(unexplained).join("\n")
        )))
    }

    /// The error, with everything a person needs to understand it.
    pub fn explain(&self, error: LabError) -> LabError {
        if matches!(error, LabError::Unavailable(_)) {
            return error;
        }
        LabError::unexpected(format!("{error}\n{}", self.lab.dump()))
    }
}

/// What a node's log last said about its peer.
pub fn view(log: &str, peer: &str) -> String {
    let update = format!("Status update for node {peer}: status ");
    let dead = format!("node {peer}: is dead");
    let mut view = String::new();
    for line in log.lines() {
        if let Some((_, word)) = line.split_once(&update) {
            view = word.trim().to_owned();
        } else if line.contains(&dead) {
            view = "dead".to_owned();
        }
    }
    view
}
