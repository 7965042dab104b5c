//! Fencing devices: judged when ha.cf is read, and asked by children while the daemon runs.
//!
//! Each question is one run of `stonith-device`, which lies beside the daemon. It reads its task, parameters and all, on
//! its standard input; what it says is logged as it comes, since a human being may be waiting for it (`meatware`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ha_cluster::{DeviceResult, FencingDevice, Job, JobId, JobOutcome};
use ha_config::{Diagnostic, Severity, Stonith, StonithSource};
use ha_sys::child::{End, Output, OutputPipe, Spawn};
use ha_sys::log::Priority;
use ha_sys::signals::Signal;
use ha_sys::{Interest, Poller, clock, errno_text, process};
use stonith::task::{Answer, Task, Wanted};
use stonith::{Code, Kind, Level, Places, Source};

use crate::clients::report_end;
use crate::places;
use crate::shell::{Shell, Token};

/// The program, in the directory of the daemon.
const PROGRAM: &str = "stonith-device";

/// How long a device may take to be judged. Only scripts that tell their parameters are run for that.
const JUDGE: Duration = Duration::from_secs(100);

/// Longest file of parameters.
const FILE_MAX: usize = 64 * 1024;

/// Exit code of the legacy's reset process when the device does not control the node.
const BAD_HOST: i32 = 100;

/// A device of ha.cf that can be used.
#[derive(Clone)]
pub(crate) struct Device {
    /// What the log calls it.
    id: String,
    kind: String,
    source: Source,
}

impl Device {
    /// What the core knows of it.
    pub(crate) fn for_core(&self) -> FencingDevice {
        FencingDevice {
            id: self.id.clone(),
        }
    }

    fn task(&self, wanted: Wanted) -> Task {
        Task {
            wanted,
            kind: self.kind.clone(),
            source: self.source.clone(),
        }
    }
}

// ---- When ha.cf is read -----------------------------------------------------------------------------------------

/// Judges every line. None if one of them is no good: to run all the same would leave shared disks unprotected.
pub(crate) fn devices(
    lines: &[Stonith],
    environment: &[(OsString, OsString)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Device>> {
    let mut devices = Vec::new();
    let mut good = true;
    for line in lines {
        match judge(line, environment, diagnostics) {
            Ok(device) => devices.push(device),
            Err(diagnostic) => {
                diagnostics.push(diagnostic.at(line.span.clone()));
                good = false;
            }
        }
    }
    if let (true, [_, second, ..]) = (good, lines) {
        let text = format!(
            "{} fencing devices: they are tried in this order until one succeeds",
            lines.len()
        );
        let diagnostic = Diagnostic::ours(Severity::Warn, "stonith-several", text);
        diagnostics.push(
            diagnostic
                .at(second.span.clone())
                .advise("heartbeat 2.1 used the last of them only"),
        );
    }
    if !good {
        let message = "Configuration error, heartbeat not started.";
        diagnostics.push(error("configuration-error", message));
    }
    good.then_some(devices)
}

fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::legacy(Severity::Error, code, message)
}

fn judge(
    line: &Stonith,
    environment: &[(OsString, OsString)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Device, Diagnostic> {
    let source = match &line.source {
        StonithSource::Parameters { parameters, .. } => Source::Text(parameters.clone()),
        StonithSource::File(path) => match read_file(path) {
            Ok(content) => Source::File(content),
            Err(reason) => {
                // The type comes first, as for the legacy: whoever repairs the file for nothing would be annoyed.
                if let Err(unknown) = Kind::find(&line.device, &Places::default()) {
                    return Err(unknown_type(line, unknown.advice));
                }
                let text = format!("glib: Cannot open {path}");
                diagnostics.push(error("stonith-file", text).advise(reason));
                return Err(bad_parameters(line, ""));
            }
        },
    };
    let mut device = Device {
        id: line.device.clone(),
        kind: line.device.clone(),
        source,
    };
    let task = device.task(Wanted::Check);
    let answers = ask(&task, environment).map_err(|error| {
        let text = format!(
            "Fencing is configured, but {} cannot be asked: {}",
            program().display(),
            errno_text(&error)
        );
        Diagnostic::ours(Severity::Error, "stonith-program", text)
    })?;
    let mut verdict = None;
    for answer in answers {
        match answer {
            Answer::Line(level, text) => {
                let said = Diagnostic::legacy(severity(level), "stonith", format!("glib: {text}"));
                diagnostics.push(said);
            }
            Answer::Id(id) => device.id = id,
            Answer::UnknownType(advice) => return Err(unknown_type(line, advice)),
            Answer::BadParameters(at) => return Err(bad_parameters(line, &at)),
            Answer::End(code) => verdict = Some(code),
        }
    }
    match verdict {
        Some(Code::OK) => Ok(device),
        verdict => {
            let number = verdict.unwrap_or(Code::OOPS).0;
            Err(error(
                "stonith-unknown",
                match &line.source {
                    StonithSource::File(path) => {
                        format!("Unknown Stonith config error [{path}] [{number}]")
                    }
                    StonithSource::Parameters { .. } => format!(
                        "Unknown Stonith config error parsing [{}] [{number}]",
                        line.device
                    ),
                },
            ))
        }
    }
}

fn unknown_type(line: &Stonith, advice: Option<String>) -> Diagnostic {
    let message = format!("Invalid Stonith type [{}]", line.device);
    let bad = error("stonith-type", message);
    match advice {
        Some(advice) => bad.advise(advice),
        None => bad,
    }
}

/// The legacy shows the parameters, passwords and all; here only a name at fault.
fn bad_parameters(line: &Stonith, at: &str) -> Diagnostic {
    match &line.source {
        StonithSource::File(path) => error(
            "stonith-file",
            format!("Invalid Stonith config file [{path}]"),
        )
        .advise(format!(
            "\"stonith -t {} -F {path} -S\" tries it",
            line.device
        )),
        StonithSource::Parameters { .. } => error(
            "stonith-parameters",
            format!("Invalid Stonith configuration parameter [{at}]"),
        )
        .advise(format!(
            "\"stonith -t {} -n\" tells the parameters",
            line.device
        )),
    }
}

fn read_file(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| errno_text(&error))?;
    if bytes.len() > FILE_MAX {
        return Err(format!("it is longer than {FILE_MAX} bytes"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn severity(level: Level) -> Severity {
    match level {
        // glib's critical is heartbeat's error.
        Level::Crit | Level::Error => Severity::Error,
        Level::Warn => Severity::Warn,
        Level::Info => Severity::Info,
    }
}

fn program() -> PathBuf {
    places::library().join(PROGRAM)
}

fn spawn(task: &Task, environment: &[(OsString, OsString)]) -> Spawn {
    let mut spawn = Spawn::new(program());
    spawn.environment = environment.to_vec();
    spawn.input = Some(task.to_text().into_bytes());
    spawn.stdout = Output::Capture;
    spawn
}

/// Runs the program and waits for its end: at the start, where nothing else is to be done yet, or in a thread. Its end is
/// the end of what it says, since somebody else may collect our children.
fn ask(task: &Task, environment: &[(OsString, OsString)]) -> std::io::Result<Vec<Answer>> {
    let child = spawn(task, environment).start()?;
    let mut text = Vec::new();
    if let Some(mut pipe) = child.stdout {
        let mut poller = Poller::new()?;
        poller.add(&pipe, 0, Interest::Read)?;
        let deadline = clock::monotonic() + JUDGE;
        let mut ready = Vec::new();
        while !pipe.read() {
            if clock::monotonic() >= deadline {
                let _ = process::signal_group(child.pid, Signal::SIGKILL);
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            poller.wait(Some(deadline), &mut ready)?;
        }
        text = pipe.into_text();
    }
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(Answer::from_text).collect())
}

// ---- While the daemon runs ---------------------------------------------------------------------------------------

/// The devices, and the children that ask them.
pub(crate) struct Fencing {
    devices: Vec<Device>,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    running: Vec<Running>,
    ended: Vec<(JobId, JobOutcome)>,
}

struct Running {
    job: JobId,
    /// Its name in the log.
    name: String,
    pid: u32,
    pipe: Option<OutputPipe>,
    /// A line that is not whole yet.
    rest: Vec<u8>,
    /// The last word.
    verdict: Option<Code>,
}

impl Fencing {
    pub(crate) fn new(
        devices: Vec<Device>,
        environment: Vec<(OsString, OsString)>,
        directory: &Path,
    ) -> Fencing {
        Fencing {
            devices,
            environment,
            directory: directory.to_path_buf(),
            running: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Takes a job of the core if it is one for a device.
    pub(crate) fn start(&mut self, shell: &mut Shell, id: JobId, job: &Job) -> bool {
        let (device, wanted, name) = match job {
            Job::Reset { device, node } => (
                *device,
                Wanted::Reset(node.clone()),
                format!("STONITH {node}"),
            ),
            Job::CheckDevice { device } => (*device, Wanted::Status, "STONITH-stat".to_owned()),
            _ => return false,
        };
        let failed = (id, JobOutcome::Device(DeviceResult::Failed));
        let Some(device) = self.devices.get(device) else {
            self.ended.push(failed);
            return true;
        };
        let mut spawn = spawn(&device.task(wanted), &self.environment);
        spawn.directory = Some(self.directory.clone());
        match spawn.start() {
            Ok(child) => {
                if let Some(pipe) = &child.stdout {
                    let token = Token::Output(child.pid).number();
                    if let Err(error) = shell.poller.add(pipe, token, Interest::Read) {
                        shell.error(format!("{name}: {}", errno_text(&error)));
                    }
                }
                self.running.push(Running {
                    job: id,
                    name,
                    pid: child.pid,
                    pipe: child.stdout,
                    rest: Vec::new(),
                    verdict: None,
                });
            }
            Err(error) => {
                shell.error(format!(
                    "Cannot run {}: {}",
                    spawn.program.display(),
                    errno_text(&error)
                ));
                self.ended.push(failed);
            }
        }
        true
    }

    /// A child said something. False if it is not one of ours.
    pub(crate) fn output_ready(&mut self, shell: &Shell, pid: u32) -> bool {
        let Some(running) = self.running.iter_mut().find(|running| running.pid == pid) else {
            return false;
        };
        running.hear(shell);
        true
    }

    /// A child ended. False if it is not one of ours.
    pub(crate) fn child_ended(&mut self, shell: &Shell, pid: u32, end: End) -> bool {
        let Some(index) = self.running.iter().position(|running| running.pid == pid) else {
            return false;
        };
        let mut running = self.running.remove(index);
        running.hear(shell);
        if let Some(pipe) = &running.pipe {
            let _ = shell.poller.remove(pipe);
        }
        // Both must say so: whatever else exits with 0 has reset nobody.
        let result = match (running.verdict, end) {
            (Some(Code::OK), End::Code(0)) => DeviceResult::Done,
            (Some(Code::BAD_HOST), End::Code(_)) => DeviceResult::BadHost,
            _ => DeviceResult::Failed,
        };
        let shown = match (end, result) {
            (End::Signal(_), _) => end,
            (_, DeviceResult::Done) => End::Code(0),
            (_, DeviceResult::BadHost) => End::Code(BAD_HOST),
            (_, DeviceResult::Failed) => End::Code(1),
        };
        report_end(shell, &running.name, pid, shown);
        self.ended.push((running.job, JobOutcome::Device(result)));
        true
    }

    /// The jobs that have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<(JobId, JobOutcome)> {
        std::mem::take(&mut self.ended)
    }

    /// The daemon ends: nobody waits for a human being any more. A script that is at work has a process group of its own
    /// and is left to finish, for a machine that is off already should come on again; its time is limited.
    pub(crate) fn stop(&mut self) {
        for running in &self.running {
            let _ = process::signal_group(running.pid, Signal::SIGTERM);
        }
    }
}

impl Running {
    /// Logs the lines that are there.
    fn hear(&mut self, shell: &Shell) {
        let Some(pipe) = &mut self.pipe else { return };
        if pipe.read() {
            let _ = shell.poller.remove(&*pipe);
        }
        self.rest.extend(pipe.take_text());
        while let Some(end) = self.rest.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            match Answer::from_text(line.trim_end_matches('\n')) {
                Some(Answer::Line(level, text)) => {
                    shell.logger.log(priority(level), format!("glib: {text}"));
                }
                Some(Answer::End(code)) => self.verdict = Some(code),
                Some(Answer::UnknownType(Some(advice))) => {
                    shell.error(format!("{}: {advice}", self.name));
                }
                Some(Answer::BadParameters(at)) => {
                    shell.error(format!("{}: parameters are refused {at}", self.name));
                }
                Some(Answer::Id(_) | Answer::UnknownType(None)) | None => {}
            }
        }
        // A line without end is nobody's.
        self.rest.truncate(FILE_MAX);
    }
}

fn priority(level: Level) -> Priority {
    match level {
        Level::Crit | Level::Error => Priority::Error,
        Level::Warn => Priority::Warn,
        Level::Info => Priority::Info,
    }
}

#[cfg(test)]
mod tests {
    use ha_config::Span;

    use super::*;

    fn refusal(device: &str, source: StonithSource) -> Vec<String> {
        let line = Stonith {
            device: device.into(),
            source,
            span: Span {
                file: "ha.cf".into(),
                line: 17,
                column: 14,
            },
        };
        let mut diagnostics = Vec::new();
        assert!(devices(&[line], &[], &mut diagnostics).is_none());
        diagnostics.iter().flat_map(Diagnostic::lines).collect()
    }

    /// The missing file was complained of, and only after its repair the type, for which no file can be right.
    #[test]
    fn a_type_that_is_not_there_is_told_before_its_file() {
        let said = |device: &str| refusal(device, StonithSource::File("/nonexistent/x".into()));
        assert_eq!(
            said("apcmaster"),
            [
                "Invalid Stonith type [apcmaster]",
                "ha.cf:17:14: this type is not part of this version: use fence_apc",
                "Configuration error, heartbeat not started.",
            ]
        );
        assert_eq!(
            said("ssh")[..2],
            [
                "glib: Cannot open /nonexistent/x",
                "No such file or directory"
            ]
        );
    }

    /// It said "this is meant".
    #[test]
    fn an_unknown_type_is_told_where_the_types_are_listed() {
        let said = refusal("nul", StonithSource::File("/nonexistent/x".into()));
        assert_eq!(
            said[..2],
            [
                "Invalid Stonith type [nul]",
                "ha.cf:17:14: there is no such type; \"stonith -L\" lists them",
            ]
        );
    }
}
