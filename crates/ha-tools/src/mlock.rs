//! `mlock`: tries whether locks of one machine are respected on another (`install-and-cli.md` 13).
//!
//! Two of them share a file. Node 1 listens, node 2 connects; single octets on the connection, each the number of a test,
//! tell the other that it is its turn. What is locked when, the numbers and the texts are as seen from 3.0.6, and one of
//! each make work together.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ha_sys::lock::{self, Part};
use lexopt::{Arg, Parser};

use crate::output;

const PORT: u16 = 5000;
const SECOND: Duration = Duration::from_secs(1);
/// The call of a helper that locks the file until it is killed.
const HOLD: &str = "--hold";
/// Written through the locks, by the one and by the other.
const WORDS: [&[u8; 6]; 2] = [b"abcde\0", b"edcba\0"];
/// Where they are written: over the end of a page.
const PLACE: Part = part(4092, 6);
const ALL: Part = part(0, 0);

const fn part(start: i64, length: i64) -> Part {
    Part { start, length }
}

struct Options {
    rounds: u32,
    file: PathBuf,
    /// The machine of node 1, for node 2.
    first: Option<String>,
}

impl Options {
    fn parse(args: &[OsString]) -> Result<Options, String> {
        let (mut rounds, mut words) = (1, Vec::new());
        let mut parser = Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
            match arg {
                Arg::Short('N') => {
                    let value = parser
                        .value()
                        .map_err(|_| "option requires an argument -- 'N'".to_owned())?;
                    rounds = value
                        .to_str()
                        .and_then(|text| text.parse().ok())
                        .unwrap_or(0);
                }
                Arg::Short(letter) => return Err(format!("invalid option -- '{letter}'")),
                Arg::Long(name) => return Err(format!("unrecognized option '--{name}'")),
                Arg::Value(word) => words.push(word),
            }
        }
        let mut words = words.into_iter();
        let file = words.next().ok_or_else(String::new)?.into();
        // The last of several is the machine.
        let first = words.last().map(|word| word.to_string_lossy().into_owned());
        Ok(Options {
            rounds,
            file,
            first,
        })
    }
}

/// Why it ends early.
enum Failure {
    /// A test says no; it has been said.
    Test,
    /// The connection, with the call that failed.
    System(&'static str, io::Error),
    NoSuchHost(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Test => Ok(()),
            Failure::System(call, error) => writeln!(f, "{call}: {}", ha_sys::errno_text(error)),
            Failure::NoSuchHost(name) => writeln!(f, "gethostbyname: Error, servername ={name} "),
        }
    }
}

pub(crate) fn main(program: &OsStr, args: &[OsString]) -> i32 {
    if let [hold, file] = args
        && hold == HOLD
    {
        return hold_all(Path::new(file));
    }
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(complaint) => {
            let program = program.to_string_lossy();
            if !complaint.is_empty() {
                output::error(&format!("{program}: {complaint}\n"));
            }
            output::error(&usage(&program));
            return 1;
        }
    };
    match run(&options) {
        Ok(()) => output::print("All tests finished successfully!\n"),
        Err(failure) => output::error(&failure.to_string()),
    }
    // Whatever comes of it, as the legacy.
    1
}

fn usage(program: &str) -> String {
    format!(
        "Usage: this test need to run in two machines, the filesname and num have to be the same in both nodes\n\
         node1:\n {program} [-N num] <filename>\nnode2:\n {program} [-N num] <filename> <node1_hostname>\n"
    )
}

fn run(options: &Options) -> Result<(), Failure> {
    let stream = match &options.first {
        None => accept(),
        Some(first) => connect(first),
    }?;
    for round in 0..options.rounds {
        output::print(&format!("Iteration {round}: \n"));
        let mut node = Node::new(&options.file, &stream)?;
        match options.first {
            None => node.first(round)?,
            Some(_) => node.second(round)?,
        }
    }
    Ok(())
}

fn accept() -> Result<TcpStream, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .map_err(|error| Failure::System("bind", error))?;
    let accepted = listener.accept();
    accepted
        .map(|(stream, _)| stream)
        .map_err(|error| Failure::System("accept", error))
}

fn connect(first: &str) -> Result<TcpStream, Failure> {
    let address =
        ha_sys::host::resolve_ipv4(first).map_err(|_| Failure::NoSuchHost(first.to_owned()))?;
    TcpStream::connect((address, PORT)).map_err(|error| Failure::System("connect", error))
}

/// Locks the whole file and stays until somebody ends it.
fn hold_all(path: &Path) -> i32 {
    let Ok(file) = open(path) else { return 1 };
    if lock::lock(&file, ALL).is_err() {
        return 1;
    }
    loop {
        thread::sleep(SECOND);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// One side of one round.
struct Node<'a> {
    path: &'a Path,
    stream: &'a TcpStream,
    file: File,
}

type Step = Result<(), Failure>;

impl<'a> Node<'a> {
    fn new(path: &'a Path, stream: &'a TcpStream) -> Result<Node<'a>, Failure> {
        let file = open(path).map_err(|error| Failure::System("open", error))?;
        Ok(Node { path, stream, file })
    }

    /// Node 1: mostly the one who locks.
    fn first(&mut self, round: u32) -> Step {
        self.hear(last_test(round))?;
        for (number, part) in (1..).zip([part(0, 1), ALL, part(1, 1), part(1, 0)]) {
            self.is_locked((1, number), part, false)?;
        }
        self.next_file(1)?;
        self.lock((2, 0), ALL)?;
        self.turn(2)?;
        self.reopen()?;
        self.hear(2)?;
        self.lock((3, 0), part(0, 1))?;
        self.turn(3)?;
        self.unlock((3, 5), part(0, 1))?;
        self.reopen()?;
        self.hear(3)?;
        self.lock((4, 0), part(1, 1))?;
        self.turn(4)?;
        self.unlock((4, 10), part(1, 1))?;
        self.reopen()?;
        self.hear(4)?;
        self.lock((5, 0), part(0, 1))?;
        self.lock((5, 1), part(2, 1))?;
        self.turn(5)?;
        self.unlock((5, 14), part(0, 1))?;
        self.unlock((5, 15), part(2, 1))?;
        self.reopen()?;
        self.hear(5)?;
        self.lock((7, 0), PLACE)?;
        self.write((7, 1), PLACE.start, WORDS[0])?;
        self.tell(7)?;
        self.reads((7, 2), WORDS[0])?;
        self.unlock((7, 3), PLACE)?;
        self.hear(7)?;
        self.lock_patiently((7, 7))?;
        self.reads((7, 8), WORDS[1])?;
        self.unlock((7, 9), PLACE)?;
        self.next_file(7)?;
        self.lock((10, 0), part(0, 3))?;
        self.unlock((10, 1), part(1, 1))?;
        self.turn(10)?;
        self.unlock((10, 6), part(0, 1))?;
        self.unlock((10, 7), part(2, 1))?;
        self.turn(10)?;
        self.lock((10, 10), part(1, 3))?;
        self.unlock((10, 11), part(2, 1))?;
        self.turn(10)?;
        self.reopen()?;
        self.hear(10)?;
        self.closing_gives_up()?;
        self.reopen()?;
        self.hear(11)?;
        thread::sleep(SECOND);
        self.lock((12, 1), ALL)?;
        self.tell(12)
    }

    /// Locks, and closes another descriptor of the file: the locks are gone with it.
    fn closing_gives_up(&mut self) -> Step {
        let spare = self.spare(&self.file)?;
        self.lock((11, 0), ALL)?;
        self.close_and_turn(&spare)?;
        self.lock((11, 3), part(29, 1463))?;
        self.lock((11, 4), part(0x2000, 87))?;
        self.close_and_turn(&spare)?;
        self.write((11, 7), 0, WORDS[0])?;
        self.lock((11, 8), ALL)?;
        self.close_and_turn(&spare)?;
        put(&mut self.file, 0, WORDS[1]).map_err(|error| Failure::System("write", error))?;
        self.lock((11, 11), ALL)?;
        let cut = self.file.set_len(0);
        self.done((11, 12), cut)?;
        self.close_and_turn(&spare)
    }

    fn spare(&self, file: &File) -> Result<File, Failure> {
        file.try_clone()
            .map_err(|error| Failure::System("dup", error))
    }

    fn close_and_turn(&mut self, spare: &File) -> Step {
        // The old descriptor is closed here.
        self.file = self.spare(spare)?;
        self.turn(11)
    }

    /// Node 2: mostly the one who looks.
    fn second(&mut self, round: u32) -> Step {
        self.turn_to(last_test(round), 1)?;
        self.next_turn(1, 2)?;
        let looks = [part(0, 1), ALL, part(1, 1), part(1, 0)];
        for (number, part) in (1..).zip(looks) {
            self.is_locked((2, number), part, true)?;
        }
        self.after_look(2, 3)?;
        for (number, part, locked) in [
            (1, part(0, 1), true),
            (2, ALL, true),
            (3, part(1, 1), false),
            (4, part(1, 0), false),
        ] {
            self.is_locked((3, number), part, locked)?;
        }
        self.after_look(3, 4)?;
        // The second octet is locked.
        self.looks(4, 3, |part| touches(part, 1))?;
        self.after_look(4, 5)?;
        // The first and the third.
        self.looks_from(5, 2, 4, |part| touches(part, 0) || touches(part, 2))?;
        self.after_look(5, 7)?;
        self.lock_patiently_and((7, 4))?;
        self.write((7, 5), PLACE.start, WORDS[1])?;
        self.unlock((7, 6), PLACE)?;
        self.hear(7)?;
        self.next_turn(7, 10)?;
        for (number, part, locked) in [
            (2, part(0, 1), true),
            (3, part(2, 1), true),
            (4, part(3, 0), false),
            (5, part(1, 1), false),
        ] {
            self.is_locked((10, number), part, locked)?;
        }
        self.turn(10)?;
        self.is_locked((10, 8), part(0, 3), false)?;
        self.turn(10)?;
        for (number, part, locked) in [
            (12, part(1, 1), true),
            (13, part(3, 1), true),
            (14, part(4, 0), false),
            (15, part(2, 1), false),
            (16, part(0, 1), false),
        ] {
            self.is_locked((10, number), part, locked)?;
        }
        self.tell(10)?;
        self.next_turn(10, 11)?;
        for number in [1, 5, 9, 13] {
            self.lock((11, number), ALL)?;
            self.unlock((11, number + 1), ALL)?;
            match number {
                13 => self.tell(11)?,
                _ => self.turn(11)?,
            }
        }
        self.reopen()?;
        self.kill_a_holder()?;
        self.turn_to(11, 12)
    }

    /// What a process had locked is free when it is killed.
    fn kill_a_holder(&self) -> Step {
        let failed = |error| Failure::System("can't fork off child", error);
        let program = std::env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg0("mlock")
            .arg(HOLD)
            .arg(self.path)
            .stdin(Stdio::null())
            .spawn()
            .map_err(failed)?;
        thread::sleep(SECOND);
        let _ = child.kill();
        child.wait().map(drop).map_err(failed)
    }

    /// Every start below `ends`, each with one octet, with two, and to the end.
    fn looks(&self, test: u8, ends: i64, locked: impl Fn(Part) -> bool) -> Step {
        self.looks_from(test, 1, ends, locked)
    }

    fn looks_from(&self, test: u8, from: u8, ends: i64, locked: impl Fn(Part) -> bool) -> Step {
        let parts = (0..ends).flat_map(|start| [1, 2, 0].map(|length| part(start, length)));
        for (number, part) in (from..).zip(parts) {
            self.is_locked((test, number), part, locked(part))?;
        }
        Ok(())
    }

    fn is_locked(&self, label: (u8, u8), part: Part, expected: bool) -> Step {
        let right = lock::is_locked_by_another(&self.file, part).is_ok_and(|is| is == expected);
        passed(label, right)
    }

    fn lock(&self, label: (u8, u8), part: Part) -> Step {
        self.done(label, lock::lock(&self.file, part))
    }

    fn lock_patiently(&self, label: (u8, u8)) -> Step {
        self.done(label, lock::lock_patiently(&self.file, PLACE))
    }

    /// Tells the other only then that it may go on.
    fn lock_patiently_and(&self, label: (u8, u8)) -> Step {
        self.lock_patiently(label)?;
        self.tell(7)
    }

    fn unlock(&self, label: (u8, u8), part: Part) -> Step {
        self.done(label, lock::unlock(&self.file, part))
    }

    fn write(&mut self, label: (u8, u8), start: i64, word: &[u8]) -> Step {
        let written = put(&mut self.file, start, word);
        self.done(label, written)
    }

    fn reads(&mut self, label: (u8, u8), word: &[u8; 6]) -> Step {
        let mut found = [0; 6];
        let read =
            seek(&mut self.file, PLACE.start).and_then(|()| self.file.read_exact(&mut found));
        let right = read.is_ok() && found == *word;
        if !right {
            let shown = |word: &[u8]| String::from_utf8_lossy(word).replace('\0', "");
            output::print(&format!(
                "content in file is ={},\nthe msg compared with is {}\n",
                shown(&found),
                shown(word)
            ));
        }
        passed(label, right)
    }

    fn done(&self, label: (u8, u8), result: io::Result<()>) -> Step {
        passed(label, result.is_ok())
    }

    /// Every test has a descriptor of its own; closing the old one gives up what is still locked.
    fn reopen(&mut self) -> Step {
        self.file = open(self.path).map_err(|error| Failure::System("open", error))?;
        Ok(())
    }

    fn tell(&self, test: u8) -> Step {
        let mut stream = self.stream;
        stream
            .write_all(&[test])
            .map_err(|error| Failure::System("send", error))
    }

    fn hear(&self, test: u8) -> Step {
        let (mut stream, mut said) = (self.stream, [0]);
        stream
            .read_exact(&mut said)
            .map_err(|error| Failure::System("recv", error))?;
        match said == [test] {
            true => Ok(()),
            false => Err(Failure::System(
                "wrong func in task! ",
                io::ErrorKind::InvalidData.into(),
            )),
        }
    }

    fn turn(&self, test: u8) -> Step {
        self.turn_to(test, test)
    }

    fn turn_to(&self, told: u8, heard: u8) -> Step {
        self.tell(told)?;
        self.hear(heard)
    }

    /// Node 1: this test is done; the other has to come to its end.
    fn next_file(&mut self, test: u8) -> Step {
        self.tell(test)?;
        self.reopen()?;
        self.hear(test)
    }

    /// Node 2: the other may give up its locks; then the next test.
    fn after_look(&mut self, test: u8, next: u8) -> Step {
        self.tell(test)?;
        self.next_turn(test, next)
    }

    fn next_turn(&mut self, test: u8, next: u8) -> Step {
        self.reopen()?;
        self.turn_to(test, next)
    }
}

fn put(file: &mut File, start: i64, word: &[u8]) -> io::Result<()> {
    seek(file, start)?;
    file.write_all(word)
}

fn seek(file: &mut File, start: i64) -> io::Result<()> {
    let start = u64::try_from(start).unwrap_or(0);
    file.seek(SeekFrom::Start(start)).map(drop)
}

/// What node 2 says before a round: the number of the test before.
fn last_test(round: u32) -> u8 {
    match round {
        0 => 0,
        _ => 12,
    }
}

fn touches(part: Part, octet: i64) -> bool {
    part.start <= octet && (part.length == 0 || octet < part.start + part.length)
}

fn passed((test, number): (u8, u8), right: bool) -> Step {
    let result = if right {
        "PASSED."
    } else {
        "test failed, result =0"
    };
    output::print(&format!("{test}-{number}:\t{result}\n"));
    if right { Ok(()) } else { Err(Failure::Test) }
}
