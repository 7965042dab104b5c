//! From the command line to a running loop, and from its end to the next process.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{PipeWriter, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use ha_cluster::ExitKind;
use ha_config::{
    Config, Diagnostic, HEARTBEAT_VERSION, HaCf, LoadOptions, Origin, effective_configuration,
};
use ha_resources::address::Site;
use ha_resources::environment::Occasion;
use ha_resources::{Installed, Paths, TOOLS_PROGRAM};
use ha_sys::daemon::Side;
use ha_sys::fifo::{Fifo, FifoOrigin};
use ha_sys::loadavg::LoadAverage;
use ha_sys::log::{Logger, Priority, Sinks};
use ha_sys::pidfile::{self, PidFile};
use ha_sys::signals::{Signal, SignalSource};
use ha_sys::watchdog::Watchdog;
use ha_sys::{Interest, Poller, clock, daemon, errno_text, process, realtime, users};

use crate::apphbd::{Terms, Watched};
use crate::clients::Clients;
use crate::daemon::{Daemon, Ending, Parts};
use crate::fencing::{self, Fencing};
use crate::files::{self, Stamps};
use crate::jobs::{JobSettings, Jobs};
use crate::links::Links;
use crate::logging::{self, priority_of_severity};
use crate::mischief::Mischief;
use crate::native::NativeAgents;
use crate::options::{Mode, Options};
use crate::settings;
use crate::shell::Shell;
use crate::timers::Timers;
use crate::{control, identity, places};

/// The daemon could not begin its work.
const EXIT_FAILED: u8 = 1;
/// No permission, or no pid file.
const EXIT_PERMISSION: u8 = 4;
/// Configuration error at start; `-R` while nothing runs.
const EXIT_NOT_CONFIGURED: u8 = 6;
/// Emergency shutdown.
const EXIT_EMERGENCY: u8 = 100;

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The signals that the loop handles.
const SIGNALS: [Signal; 7] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGCHLD,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// `heartbeat`, `heartbeat -r`, `heartbeat -R`. `program` is the last part of `argv[0]`.
pub(crate) fn start(options: &Options, program: &str) -> ExitCode {
    let running = match pidfile::inspect(Path::new(places::PID_FILE)) {
        PidFile::Running { pid } => Some(pid),
        PidFile::Stale { .. } | PidFile::Absent => None,
    };
    let own = std::process::id();
    match (options.mode, running) {
        (Mode::Reload, Some(pid)) => return reload(options, pid),
        (Mode::Restarted, None) => {
            eprintln!("ERROR: {program} is not running.");
            return ExitCode::from(EXIT_NOT_CONFIGURED);
        }
        (Mode::Restarted, Some(pid)) if pid != own => {
            eprintln!("ERROR: Heartbeat already running [pid {pid}].");
            return ExitCode::from(EXIT_FAILED);
        }
        _ => {}
    }
    let stamps = Stamps::now();
    let restarted = options.mode == Mode::Restarted;
    let (logger, loaded) = load(options, restarted, !restarted);
    let (config, devices) = match loaded {
        Ok(loaded) => loaded,
        Err(code) => {
            if restarted {
                logger.log(Priority::Info, "Config errors: Heartbeat NOT restarted");
            }
            return code;
        }
    };
    if options.verbose {
        print!(
            "{}",
            effective_configuration(&config.ha_cf, &config.local_node)
        );
    }
    if let Some(pid) = running.filter(|pid| *pid != own) {
        logger.log(
            Priority::Info,
            format!("{program}: already running [pid {pid}]."),
        );
        return ExitCode::SUCCESS;
    }
    let mut born = None;
    let former = if restarted {
        None
    } else {
        let detached = std::io::pipe().and_then(|(ended, alive)| {
            let side = daemon::daemonise()?;
            Ok((side, ended, alive))
        });
        match detached {
            Ok((Side::Parent, mut ended, alive)) => {
                drop(alive);
                // Nothing is ever written; whatever there is to know, the end of it is all that was waited for.
                let _ = ended.read(&mut [0]);
                return ExitCode::SUCCESS;
            }
            Ok((Side::Daemon, _, alive)) => {
                born = Some(alive);
                Some(own)
            }
            Err(error) => {
                logger.log(
                    Priority::Error,
                    format!("{program}: cannot fork: {}", errno_text(&error)),
                );
                return ExitCode::from(EXIT_FAILED);
            }
        }
    };
    ha_sys::reserve::keep();
    let launch = Launch {
        options,
        config,
        devices,
        stamps,
        logger,
        former,
        born,
    };
    launch.run()
}

/// `-r` while a daemon runs: its files are judged here, and it is told only if they are good.
fn reload(options: &Options, pid: u32) -> ExitCode {
    let (logger, loaded) = load(options, true, true);
    control::signal_reload(&logger, pid, loaded.is_ok())
}

/// Reads the configuration and says what there is to say about it, on the terminal and where it asks for.
fn load(
    options: &Options,
    restart_or_reload: bool,
    terminal: bool,
) -> (Logger, Result<(Config, Vec<fencing::Device>), ExitCode>) {
    let load_options = LoadOptions {
        managed: !options.unmanaged,
        debug_from_options: options.debug,
        restart_or_reload,
    };
    let mut loaded = files::load_all(&load_options);
    let devices = match &loaded.config {
        Some(config) => fencing_devices(config, &mut loaded.diagnostics),
        None => None,
    };
    if loaded.config.is_some() && devices.is_none() {
        loaded.config = None;
        loaded.exit_code = i32::from(if restart_or_reload {
            EXIT_FAILED
        } else {
            EXIT_NOT_CONFIGURED
        });
    }
    let sinks = match &loaded.config {
        Some(config) => logging::sinks(&config.ha_cf, &config.local_node),
        None => Sinks::default(),
    };
    let logger = Logger::new(
        "heartbeat",
        Sinks {
            stderr: terminal,
            ..sinks
        },
    );
    for diagnostic in &loaded.diagnostics {
        say(&logger, diagnostic, terminal);
    }
    let code = ExitCode::from(u8::try_from(loaded.exit_code).unwrap_or(EXIT_FAILED));
    (logger, loaded.config.zip(devices).ok_or(code))
}

fn say(logger: &Logger, diagnostic: &Diagnostic, terminal: bool) {
    for line in diagnostic.lines() {
        match diagnostic.origin {
            // The legacy prints these without logging them (and without a newline, which nobody needs).
            Origin::LegacyStderr if terminal => eprintln!("{line}"),
            _ => logger.log(priority_of_severity(diagnostic.severity), line),
        }
    }
}

/// The fencing devices; none if one of them is no good, which has been said then. It may take as long as their scripts
/// take to tell what they are.
pub(crate) fn fencing_devices(
    config: &Config,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<fencing::Device>> {
    let environment: Vec<_> = inherited(std::env::vars_os()).collect();
    fencing::devices(&config.ha_cf.stonith, &environment, diagnostics)
}

/// A daemon about to begin.
struct Launch<'a> {
    options: &'a Options,
    config: Config,
    devices: Vec<fencing::Device>,
    stamps: Stamps,
    logger: Logger,
    /// The process that we were before we detached.
    former: Option<u32>,
    /// Closed when there is a pid file and signals do no harm any more, or by our end. Until then whoever has started us
    /// waits, so that the next command finds us.
    born: Option<PipeWriter>,
}

impl Launch<'_> {
    fn run(mut self) -> ExitCode {
        let pid_file = Path::new(places::PID_FILE);
        if let Err(error) = pidfile::create(pid_file, self.former) {
            self.logger.log(
                Priority::Error,
                format!("heartbeat: could not create pidfile [{}]", places::PID_FILE),
            );
            self.logger
                .log(Priority::Error, format!("heartbeat: {error}"));
            return ExitCode::from(EXIT_PERMISSION);
        }
        daemon::set_umask();
        if let Err(error) = daemon::silence_standard_streams() {
            self.logger.log(
                Priority::Error,
                format!("/dev/null: {}", errno_text(&error)),
            );
        }
        let sinks = logging::sinks(&self.config.ha_cf, &self.config.local_node);
        self.logger.set_sinks(sinks);
        self.logger.log(
            Priority::Info,
            format!("heartbeat: version {HEARTBEAT_VERSION}"),
        );
        match self.build() {
            Ok(daemon) => run_to_the_end(daemon, self.options),
            Err(text) => {
                self.logger.log(Priority::Error, text);
                self.logger.flush(LAST_LINES);
                ExitCode::from(EXIT_FAILED)
            }
        }
    }

    /// Everything that must be done while we are still alone and unhurried, then the daemon itself.
    fn build(&mut self) -> Result<Daemon, String> {
        let directory = self.prepare_directories();
        self.own_log_files();
        let identity = identity::who_we_are(&self.config, self.options, &self.logger)?;
        let (fifo, origin) = Fifo::open(Path::new(places::FIFO))
            .map_err(|error| format!("{}: {}", places::FIFO, errno_text(&error)))?;
        if origin == FifoOrigin::Created {
            self.logger
                .log(Priority::Info, format!("Creating FIFO {}.", places::FIFO));
        }
        let (mischief, diagnostics) = Mischief::read(identity.seed);
        for diagnostic in &diagnostics {
            say(&self.logger, diagnostic, false);
        }
        let watchdog = self.open_watchdog();
        // Blocked before the log's thread starts, which must not take them.
        let signals = SignalSource::new(&SIGNALS)
            .map_err(|error| format!("signals: {}", errno_text(&error)))?;
        drop(self.born.take());
        if let Err(error) = self.logger.run_in_background() {
            self.logger.log(
                Priority::Warn,
                format!(
                    "Cannot write logs in the background: {}",
                    errno_text(&error)
                ),
            );
        }
        self.take_realtime();
        let poller = Poller::new().map_err(|error| format!("epoll: {}", errno_text(&error)))?;
        let ha_cf = &self.config.ha_cf;
        let core = settings::core_config(&self.config, &identity, &self.devices);
        let settings = job_settings(&self.config, &directory);
        let environment = settings.environment(Occasion::Handover, ha_cf.debug);
        let site = Site::new(
            settings.installed.paths(),
            &places::library(),
            users::is_root(),
        );
        let fencing = Fencing::new(
            std::mem::take(&mut self.devices),
            environment.clone().into_iter().collect(),
            &directory,
        );
        let clients = Clients::new(
            ha_cf.respawn.clone(),
            environment,
            directory,
            ha_cf.keepalive,
        );
        let watched = ha_cf.use_apphbd.then(|| {
            Watched::new(Terms {
                socket: places::APPHBD.into(),
                every: ha_cf.keepalive,
                warning: ha_cf.warntime,
                interval: ha_cf.deadtime,
            })
        });
        let logger =
            std::mem::replace(&mut self.logger, Logger::new("heartbeat", Sinks::default()));
        let shell = Shell {
            poller,
            logger,
            timers: Timers::default(),
            debug: ha_cf.debug,
        };
        Ok(Daemon::new(Parts {
            shell,
            core,
            links: Links::new(settings::media(&self.config)),
            jobs: Jobs::new(settings, NativeAgents::new(site)),
            fencing,
            clients,
            fifo,
            signals,
            watchdog,
            watched,
            load: LoadAverage::open().ok(),
            stamps: self.stamps,
            mischief,
        }))
    }

    /// Makes what is missing, wipes the scripts' scratch directory, and goes where cores shall fall. The directory that
    /// scripts run in.
    fn prepare_directories(&self) -> PathBuf {
        let complain = |path: &str, error: &std::io::Error| {
            self.logger
                .log(Priority::Error, format!("{path}: {}", errno_text(error)));
        };
        for (path, mode) in [
            (places::RUN_DIRECTORY, 0o750),
            (places::STATE_DIRECTORY, 0o755),
        ] {
            match daemon::ensure_directory(Path::new(path), mode) {
                Ok(true) if path == places::RUN_DIRECTORY => {
                    if let (Some(uid), Some(gid)) =
                        (users::user_id("hacluster"), users::group_id("haclient"))
                    {
                        let _ = daemon::change_owner(Path::new(path), uid, gid);
                    }
                }
                Ok(_) => {}
                Err(error) => complain(path, &error),
            }
        }
        if let Err(error) = daemon::recreate_scratch(Path::new(places::SCRATCH_DIRECTORY)) {
            complain(places::SCRATCH_DIRECTORY, &error);
        }
        realtime::set_core_dumps(self.config.ha_cf.coredumps);
        let directory = self.config.ha_cf.coreroot.join("root");
        if let Err(error) = daemon::enter_directory(&directory) {
            let text = format!(
                "Cannot chdir to [{}]: {}",
                directory.display(),
                errno_text(&error)
            );
            self.logger.log(Priority::Error, text);
            let _ = daemon::enter_directory(Path::new("/"));
        }
        directory
    }

    /// Log files belong to hacluster, so that clients running as that user can write to them.
    fn own_log_files(&self) {
        let Ok(Some(account)) = users::Account::by_name("hacluster") else {
            return;
        };
        let to = self.config.ha_cf.log_destinations();
        for path in [to.logfile, to.debugfile].into_iter().flatten() {
            let _ = daemon::change_owner(&path, account.uid, account.gid);
        }
    }

    fn open_watchdog(&self) -> Option<Watchdog> {
        let path = self.config.ha_cf.watchdog.as_ref()?;
        // A little more than the time after which the others take over.
        match Watchdog::open(path, self.config.ha_cf.deadtime + Duration::from_millis(10)) {
            Ok(watchdog) => {
                self.logger.log(
                    Priority::Notice,
                    format!("Using watchdog device: {}", path.display()),
                );
                Some(watchdog)
            }
            Err(error) => {
                let text = format!(
                    "Cannot open watchdog device: {}: {}",
                    path.display(),
                    errno_text(&error)
                );
                self.logger.log(Priority::Error, text);
                None
            }
        }
    }

    fn take_realtime(&self) {
        if self.options.ordinary || !self.config.ha_cf.realtime {
            let pid = std::process::id();
            self.logger.log(
                Priority::Info,
                format!("Request to set pid {pid} to realtime ignored."),
            );
            return;
        }
        let result = realtime::make_realtime(self.config.ha_cf.rtprio);
        if let Some(error) = result.priority {
            let text = format!("Cannot take real-time priority: {}", errno_text(&error));
            self.logger.log(Priority::Error, text);
        }
        if result.memory.is_some() {
            self.logger
                .log(Priority::Error, realtime::MEMLOCK_TOO_SMALL);
        }
    }
}

fn job_settings(config: &Config, directory: &Path) -> JobSettings {
    let HaCf {
        parameters, env, ..
    } = &config.ha_cf;
    let to = config.ha_cf.log_destinations();
    let library = places::library();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let paths = Paths::default();
    let known = std::fs::read(&paths.haresources).unwrap_or_default();
    JobSettings {
        local: config.local_node.clone(),
        known: RefCell::new(ha_config::haresources::parse(&known)),
        installed: Installed::new(paths, library.join(TOOLS_PROGRAM)),
        library: text(library),
        parameters: parameters.clone(),
        variables: env.clone(),
        logfile: to.logfile.map(text),
        debugfile: to.debugfile.map(text),
        // As written, `none` too: whoever reads it in the environment knows that word.
        facility: config
            .ha_cf
            .logfacility
            .as_ref()
            .map(|facility| facility.name().to_owned()),
        logd: to.logd,
        inherited: inherited(std::env::vars_os()).collect(),
        directory: directory.to_path_buf(),
    }
}

/// What scripts inherit of our own environment: everything but variables of heartbeat's, which are set afresh. One of
/// them is for the administrator to set.
fn inherited(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    let ours =
        |name: &OsString| name.to_string_lossy().starts_with("HA_") && name != "HA_STOPRETRYMAX";
    variables.filter(move |(name, _)| !ours(name))
}

fn run_to_the_end(mut daemon: Daemon, options: &Options) -> ExitCode {
    let ending = daemon.run();
    let (shell, watchdog, signals, mut clients) = daemon.into_rest();
    if let Some(watchdog) = watchdog
        && ending != Ending::Core(ExitKind::Emergency)
        && let Err(error) = watchdog.close()
    {
        shell.error(format!(
            "Cannot close the watchdog device: {}",
            errno_text(&error)
        ));
    }
    let code = match ending {
        Ending::Core(ExitKind::Shutdown) => ExitCode::SUCCESS,
        Ending::Core(ExitKind::Emergency) => ExitCode::from(EXIT_EMERGENCY),
        Ending::Core(ExitKind::QuickRestart { held, owners }) => {
            let words = held.map(|held| {
                let mut words = vec![held.word()];
                words.extend(owners.iter().map(String::as_str));
                words.join(" ")
            });
            let mut state = vec!["-R"];
            state.extend(words.iter().flat_map(|words| ["-C", words.as_str()]));
            announce_restart(&shell);
            restart(&shell, options, &state)
        }
        Ending::Core(ExitKind::Restart { pause }) => {
            announce_restart(&shell);
            match pause_or_stop(&signals, pause) {
                true => restart(&shell, options, &[]),
                false => ExitCode::SUCCESS,
            }
        }
        Ending::Failed => {
            clients.kill_all();
            ExitCode::from(EXIT_FAILED)
        }
    };
    shell.logger.flush(LAST_LINES);
    code
}

fn announce_restart(shell: &Shell) {
    shell.info("Heartbeat restart triggered.");
    shell.info("Restarting heartbeat.");
}

/// Executes ourselves anew, with `-R` and what we hold in `state`, or as if from the command line. Returns only if that
/// fails.
fn restart(shell: &Shell, options: &Options, state: &[&str]) -> ExitCode {
    shell.info("Performing heartbeat restart exec.");
    if !state.is_empty() {
        shell.info(format!("Current resources: {}", state.join(" ")));
    }
    let arguments = [options.lasting().as_slice(), state].concat();
    shell.logger.flush(LAST_LINES);
    let failure = match process::own_executable() {
        Ok(program) => process::execute(&program, &arguments),
        Err(error) => error,
    };
    shell.error(format!(
        "Could not exec heartbeat: {}",
        errno_text(&failure)
    ));
    ExitCode::from(EXIT_FAILED)
}

/// Waits in silence. False if we were told to stop meanwhile.
fn pause_or_stop(signals: &SignalSource, pause: Duration) -> bool {
    let until = clock::monotonic() + pause;
    let Ok(mut poller) = Poller::new() else {
        return true;
    };
    if poller.add(signals, 0, Interest::Read).is_err() {
        return true;
    }
    let mut ready = Vec::new();
    while clock::monotonic() < until {
        if poller.wait(Some(until), &mut ready).is_err() {
            return true;
        }
        while let Ok(Some(signal)) = signals.read() {
            if signal == Signal::SIGTERM {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_inherit_nothing_of_heartbeats_own_but_one_variable() {
        let variables = [
            ("PATH", "/bin"),
            ("HA_debug", "7"),
            ("HA_STOPRETRYMAX", "2"),
            ("HOME", "/root"),
        ];
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let names: Vec<_> = inherited(variables).map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "HA_STOPRETRYMAX", "HOME"]);
    }
}
