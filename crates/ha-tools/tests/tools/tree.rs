//! A configuration tree of its own for each test, with the FIFO's reading end in the test's hands.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A configuration tree. Its scripts are links to files that are never written: a file that was just written cannot be
/// executed safely while other threads start processes.
pub struct Tree {
    pub root: PathBuf,
    fifo: Option<File>,
}

/// What a tool did.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// An end with nothing on standard error.
    pub fn quiet(code: i32, stdout: &str) -> Ran {
        Ran {
            code,
            stdout: stdout.into(),
            stderr: String::new(),
        }
    }
}

impl Tree {
    pub fn new(haresources: &str) -> Tree {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("ha-tools-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join("ha.d/resource.d")).unwrap();
        fs::create_dir_all(root.join("ha.d/rc.d")).unwrap();
        let tree = Tree { root, fifo: None };
        tree.write("ha.d/haresources", haresources);
        tree.link("ha.d/resource.d/Test", &script("test-resource"));
        tree
    }

    /// The same with a FIFO that somebody reads, as if the daemon ran.
    pub fn with_daemon(haresources: &str) -> Tree {
        let mut tree = Tree::new(haresources);
        let path = tree.make_fifo();
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path);
        tree.fifo = Some(options.unwrap());
        tree
    }

    pub fn make_fifo(&self) -> PathBuf {
        let path = self.root.join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        path
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join(name), text).unwrap();
    }

    pub fn link(&self, name: &str, target: &Path) -> PathBuf {
        let path = self.root.join(name);
        symlink(target, &path).unwrap();
        path
    }

    pub fn exists(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    /// Runs a tool by the name that it would be linked as.
    pub fn tool(&self, name: &str, args: &[&str]) -> Ran {
        self.tool_with(name, args, &[])
    }

    pub fn tool_with(&self, name: &str, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ha-tools"));
        command.arg0(name).args(args);
        self.run(command, variables)
    }

    pub fn run(&self, mut command: Command, variables: &[(&str, &str)]) -> Ran {
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TREE", &self.root);
        command
            .env("HA_DIR", self.root.join("ha.d"))
            .env("HA_FIFO", self.root.join("fifo"));
        command
            .env("HA_CURHOST", "alpha")
            .env("HA_DATEFMT", "DATE ")
            .env("HA_STOPRETRYMAX", "1");
        command
            .env("HA_LOGFILE", self.root.join("log"))
            .env("HA_DEBUGLOG", self.root.join("debug"));
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Takes the lines of a file of the tree away; none if there is no such file.
    pub fn take_lines(&self, name: &str) -> Vec<String> {
        let path = self.root.join(name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        text.lines().map(str::to_owned).collect()
    }

    /// The argument lists of all script runs since the last call.
    pub fn runs(&self) -> Vec<String> {
        self.take_lines("runs")
    }

    /// Lines of the log since the last call, with the process id taken out of the tag.
    pub fn log(&self) -> Vec<String> {
        self.take_lines("log")
            .iter()
            .map(|line| without_pid(line))
            .collect()
    }

    /// Everything that reached the FIFO since the last call.
    pub fn messages(&mut self) -> String {
        let mut bytes = [0; 8192];
        match self.fifo.as_mut().unwrap().read(&mut bytes) {
            Ok(length) => String::from_utf8_lossy(&bytes[..length]).into_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => String::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// `harc[123]:<TAB>DATE text` becomes `harc: text`.
fn without_pid(line: &str) -> String {
    let Some((tag, text)) = line.split_once("]:\tDATE ") else {
        return line.to_owned();
    };
    let program = tag
        .trim_end_matches(|character: char| character.is_ascii_digit())
        .trim_end_matches('[');
    format!("{program}: {text}")
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A script of the tests' own.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/tools/scripts")
        .join(name)
}
