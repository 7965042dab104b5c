//! A process that gets no further descriptor still starts children. Alone in its program, because the limit is that of
//! the whole process.

use std::fs::File;
use std::time::{Duration, Instant};

use ha_sys::child::{End, Output, Spawn, reap};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn run(script: &str) -> (End, String) {
    let mut spawn = Spawn::new("/bin/sh");
    spawn.arguments = vec!["-c".into(), script.into()];
    spawn.stdout = Output::Capture;
    let child = spawn.start().unwrap();
    let mut pipe = child.stdout.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !pipe.read() {
        assert!(Instant::now() < deadline, "the output has no end");
        std::thread::yield_now();
    }
    let end = loop {
        match reap() {
            Some((pid, end)) if pid == child.pid => break end,
            _ => assert!(Instant::now() < deadline, "the child does not end"),
        }
        std::thread::yield_now();
    };
    (end, String::from_utf8(pipe.into_text()).unwrap())
}

/// A node without a free descriptor could not stop its resources, which the other one had taken over.
#[test]
fn children_are_started_when_there_is_no_descriptor_left() {
    ha_sys::reserve::keep();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    let mut all = Vec::new();
    let error = loop {
        match File::open("/dev/null") {
            Ok(file) => all.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(error.raw_os_error(), Some(24), "EMFILE");
    for _ in 0..20 {
        assert_eq!(run("echo started"), (End::Code(0), "started\n".to_owned()));
    }
}
