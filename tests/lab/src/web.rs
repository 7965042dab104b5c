//! A real server: answers HTTP requests on a host with a text of its own, until it is told to fail.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::error::Doing;
use crate::helper::{MARKER, Options};
use crate::recorder::wait_for_the_end;
use crate::{Host, LabError, Result};

/// A request must have come and its answer have gone within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many requests are answered at a time. These threads are kept: in a user-mode kernel a new one for each request would
/// cost more than the request.
const AT_A_TIME: usize = 16;

/// A running web server. Dropping it closes its port, as a crash of the service would.
pub struct WebServer {
    process: Child,
}

impl Host {
    /// Serves `text` on port 80 of all addresses of this host, whatever is asked for.
    ///
    /// # Errors
    /// When the port is taken or the server cannot be started.
    pub fn serve_web(&self, text: &str) -> Result<WebServer> {
        let exe = std::env::current_exe().doing(|| "path of this program".into())?;
        let mut command = self.lab().nsenter(self.pid()?, &["-n"]);
        let mut process = command
            .arg(exe)
            .args([MARKER, "web"])
            .arg(format!("text={text}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing(|| "starting a web server".into())?;
        let stdout = process
            .stdout
            .take()
            .ok_or_else(|| LabError::unexpected("no pipe"))?;
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        // Ends the process when it goes, also when it did not start.
        let server = WebServer { process };
        if line.trim() == "ready" {
            Ok(server)
        } else {
            Err(LabError::unexpected(format!(
                "the web server on {} did not start",
                self.name()
            )))
        }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // It ends when its standard input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The helper process: serves until its standard input ends.
pub(crate) fn run(options: &Options) -> Result<()> {
    let text = options.get("text")?.to_owned();
    let listener = TcpListener::bind("0.0.0.0:80").doing(|| "port 80".into())?;
    println!("ready");
    for _ in 0..AT_A_TIME {
        let listener = listener.try_clone().doing(|| "dup".into())?;
        let text = text.clone();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(std::io::Result::ok) {
                answer(&connection, &text);
            }
        });
    }
    wait_for_the_end();
    // Returning ends the process, and with it the port and every connection.
    Ok(())
}

fn answer(connection: &TcpStream, text: &str) {
    let _ = connection.set_read_timeout(Some(PATIENCE));
    let _ = connection.set_write_timeout(Some(PATIENCE));
    let request_lines = BufReader::new(connection).lines();
    let complete = request_lines
        .map_while(std::io::Result::ok)
        .any(|line| line.is_empty());
    if complete {
        let mut connection = connection;
        let _ = write!(
            connection,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
    }
}
