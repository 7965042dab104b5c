//! A daemon made of a recorded conversation (`ha-cluster/tests/api/vectors`): whatever was asked there is answered as
//! it was there, in whatever order it is asked.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ha_ipc::frame::{FrameReader, Head};

/// A message as a recording shows it: `name=value`, in order.
pub type Fields = Vec<String>;

/// A recorded conversation.
pub struct Recording {
    exchanges: Vec<Exchange>,
}

/// Something that the client sent, and what belongs to it of what the daemon sent.
struct Exchange {
    request: Fields,
    answers: Vec<Fields>,
}

impl Recording {
    /// Reads one of the vectors by its name, such as `213/cl_status213_test.txt`.
    pub fn read(name: &str) -> Recording {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../ha-cluster/tests/api/vectors")
            .join(name);
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut frames: Vec<(bool, Fields)> = Vec::new();
        for line in text.lines() {
            if line.starts_with('[') {
                frames.push((line.contains("C>S"), Vec::new()));
            } else if let Some(field) = line.strip_prefix("  ") {
                frames.last_mut().expect("a frame").1.push(field.to_owned());
            }
        }
        Recording {
            exchanges: pair_up(frames),
        }
    }

    /// What the client sent, in order, without what differs from run to run.
    pub fn requests(&self) -> Vec<Fields> {
        let requests = self.exchanges.iter();
        requests.map(|exchange| masked(&exchange.request)).collect()
    }

    /// Waits for one client at this socket and answers it until it goes. The result is what it sent, as
    /// [`Recording::requests`].
    pub fn serve(self, socket: &Path) -> JoinHandle<Vec<Fields>> {
        let listener = UnixListener::bind(socket).expect("a socket");
        thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("a time-out");
            self.converse(stream)
        })
    }

    fn converse(mut self, mut stream: UnixStream) -> Vec<Fields> {
        let mut sent = Vec::new();
        let mut reader = FrameReader::new();
        let mut chunk = [0; 4096];
        loop {
            let count = stream.read(&mut chunk).expect("the client says something");
            if count == 0 {
                return sent;
            }
            assert_eq!(reader.feed(&chunk[..count]), count);
            while let Some(body) = reader.body().expect("frames") {
                let request = fields(body);
                let known = self
                    .exchanges
                    .iter()
                    .position(|exchange| masked(&exchange.request) == masked(&request));
                sent.push(masked(&request));
                for answer in known
                    .map(|at| self.exchanges.remove(at).answers)
                    .unwrap_or_default()
                {
                    // The client may have heard enough.
                    let _ = stream.write_all(&frame(&answer));
                }
            }
        }
    }
}

/// Finds for each request what answers it. The recorded client did not always wait for an answer before it went on.
fn pair_up(frames: Vec<(bool, Fields)>) -> Vec<Exchange> {
    let mut claimed = vec![false; frames.len()];
    let mut exchanges: Vec<(usize, Exchange)> = Vec::new();
    for (at, (from_client, request)) in frames.iter().enumerate() {
        if !from_client {
            continue;
        }
        let mut answers = Vec::new();
        let unclaimed = |claimed: &[bool], wanted: &dyn Fn(&Fields) -> bool| {
            (at..frames.len()).find(|&at| !claimed[at] && !frames[at].0 && wanted(&frames[at].1))
        };
        let from_node = |answer: &Fields| {
            get(answer, "t") == "respond-cstatus"
                && get(answer, "cn") == get(request, "cn")
                && get(answer, "src") == get(request, "node")
        };
        let name = get(request, "reqtype");
        if let Some(found) = unclaimed(&claimed, &from_node).filter(|_| name == "clientstatus") {
            claimed[found] = true;
            answers.push(frames[found].1.clone());
        } else if get(request, "t") == "hbapi-req" {
            let responds = |answer: &Fields| {
                get(answer, "t") == "hbapi-resp" && get(answer, "reqtype") == name
            };
            while let Some(found) = unclaimed(&claimed, &responds) {
                claimed[found] = true;
                answers.push(frames[found].1.clone());
                if get(&frames[found].1, "result") != "ok/more" {
                    break;
                }
            }
        }
        let request = request.clone();
        exchanges.push((at, Exchange { request, answers }));
    }
    // What nobody asked for came after the last request before it; and before the answer to a sign-on.
    for (at, (_, message)) in frames.iter().enumerate() {
        if frames[at].0 || claimed[at] {
            continue;
        }
        let before = exchanges.iter_mut().rev().find(|(sent, _)| *sent < at);
        let (_, exchange) = before.expect("a client speaks first");
        let place = match get(&exchange.request, "reqtype") {
            "signon" => 0,
            _ => exchange.answers.len(),
        };
        exchange.answers.insert(place, message.clone());
    }
    exchanges
        .into_iter()
        .map(|(_, exchange)| exchange)
        .collect()
}

/// A field's value; empty if there is none.
fn get<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields
        .iter()
        .find_map(|field| field.split_once('=').filter(|(known, _)| *known == name))
        .map_or("", |(_, value)| value)
}

/// Without what differs from run to run: ids, and our own idea of the node's name before the daemon has told it.
fn masked(fields: &Fields) -> Fields {
    let pid = get(fields, "pid");
    let casual = get(fields, "from_id") == pid;
    let signs_on = get(fields, "reqtype") == "signon";
    fields
        .iter()
        .map(|field| match field.split_once('=') {
            Some((name @ ("pid" | "uid" | "gid"), _)) => format!("{name}=*"),
            Some(("from_id", _)) if casual => "from_id=*".to_owned(),
            Some(("dest", _)) if signs_on => "dest=*".to_owned(),
            _ => field.clone(),
        })
        .collect()
}

fn fields(body: &[u8]) -> Fields {
    let text = std::str::from_utf8(body).expect("text");
    let inner = text
        .strip_prefix(">>>\n")
        .and_then(|rest| rest.strip_suffix("<<<\n\0"))
        .expect("the string form with its NUL");
    inner.lines().map(str::to_owned).collect()
}

fn frame(fields: &Fields) -> Vec<u8> {
    let body = format!(">>>\n{}\n<<<\n\0", fields.join("\n"));
    let mut frame = Head::for_body(body.len()).expect("short").octets().to_vec();
    frame.extend_from_slice(body.as_bytes());
    frame
}

/// A place for a socket, removed at the end.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Place {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ha-recording-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory of our own");
        Place(directory)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("register")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
