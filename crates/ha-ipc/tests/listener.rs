//! The listening socket, over a real file.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use ha_ipc::channel::Channel;
use ha_ipc::listener::Listener;

/// A directory of this test's own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ha-ipc-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn takes_the_place_of_what_is_there_and_lets_everybody_in() {
    let scratch = Scratch::new("listener");
    let path = scratch.0.join("register");
    fs::write(&path, "left over").unwrap();
    let listener = Listener::bind(&path).unwrap();
    let found = fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o777);
    assert!(listener.accept().unwrap().is_none());

    let mut client = Channel::new(UnixStream::connect(&path).unwrap()).unwrap();
    client.send(b"hello").unwrap();
    let mut server = listener.accept().unwrap().expect("a client waits");
    assert_eq!(server.receive().unwrap(), Some(&b"hello"[..]));
    assert_eq!(server.peer().pid, std::process::id());
}

/// `client-api.md` 1.1: after a stop the file is still there, and connecting to it is refused.
#[test]
fn the_file_outlives_the_listener() {
    let scratch = Scratch::new("outlives");
    let path = scratch.0.join("register");
    drop(Listener::bind(&path).unwrap());
    let error = UnixStream::connect(&path).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    Listener::bind(&path).unwrap();
}

#[test]
fn a_directory_is_not_replaced() {
    let scratch = Scratch::new("directory");
    assert!(Listener::bind(&scratch.0).is_err());
    assert!(scratch.0.is_dir());
}
