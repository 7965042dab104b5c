//! Connections beside the main one, and datagrams.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use checks::Verdict;
use ha_config::ldirectord::{Negotiate, Password, Probe, ProbeKind, ServiceCheck};
use ha_sys::clock::monotonic;

use super::bench::*;

fn ftp(address: SocketAddr, receive: &str) -> Probe {
    let negotiate = Negotiate {
        login: b"anonymous".to_vec(),
        password: Password::new("ldirectord@host"),
        ..negotiate(ServiceCheck::Ftp, receive)
    };
    probe(address, ProbeKind::Negotiate(Box::new(negotiate)))
}

/// A server that knows one file, and one of the two ways to send it.
fn ftp_server(active: bool) -> Server {
    Server::raw(Ipv4Addr::LOCALHOST.into(), move |stream, _| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let _ = stream.write_all(b"220 ready\r\n");
        let mut to: Option<SocketAddr> = None;
        let mut listener: Option<TcpListener> = None;
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
            let (word, rest) = line
                .trim_end()
                .split_once(' ')
                .unwrap_or((line.trim_end(), ""));
            let reply = match word {
                "USER" => "331 password".to_owned(),
                "PASS" => "230 in".to_owned(),
                "PORT" if active => {
                    let numbers: Vec<u16> = rest
                        .split(',')
                        .map(|number| number.parse().unwrap())
                        .collect();
                    to = Some((Ipv4Addr::LOCALHOST, numbers[4] << 8 | numbers[5]).into());
                    "200 good".to_owned()
                }
                "PASV" if !active => {
                    let passive = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                    let port = passive.local_addr().unwrap().port();
                    listener = Some(passive);
                    format!("227 mode (10,9,8,7,{},{})", port >> 8, port & 255)
                }
                "RETR" => {
                    let data = match (&to, &listener) {
                        (Some(to), _) => TcpStream::connect(to).unwrap(),
                        (_, Some(listener)) => listener.accept().unwrap().0,
                        _ => panic!("no way to send"),
                    };
                    let _ = stream.write_all(b"150 here\r\n");
                    let _ = (&data).write_all(b"woshirongqi");
                    drop(data);
                    "226 done".to_owned()
                }
                "QUIT" => return,
                "PORT" | "PASV" => "502 not here".to_owned(),
                _ => "250 ok".to_owned(),
            };
            let _ = stream.write_all(format!("{reply}\r\n").as_bytes());
            line.clear();
        }
    })
}

#[test]
fn ftp_transfers_both_ways() {
    for active in [true, false] {
        let server = ftp_server(active);
        assert!(check(&ftp(server.address, "woshi")).up, "active {active}");
        assert!(
            !check(&ftp(server.address, "^woshi$")).up,
            "active {active}"
        );
    }
}

#[test]
fn a_side_connection_from_elsewhere_is_not_taken() {
    let server = Server::raw(Ipv4Addr::LOCALHOST.into(), |stream, _| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let _ = stream.write_all(b"220 ready\r\n");
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some(rest) = line.trim_end().strip_prefix("PORT ") {
                let numbers: Vec<u16> = rest.split(',').map(|n| n.parse().unwrap()).collect();
                let to = SocketAddr::from((Ipv4Addr::LOCALHOST, numbers[4] << 8 | numbers[5]));
                // From another of our addresses.
                let socket = nix::sys::socket::socket(
                    nix::sys::socket::AddressFamily::Inet,
                    nix::sys::socket::SockType::Stream,
                    nix::sys::socket::SockFlag::SOCK_CLOEXEC,
                    None,
                )
                .unwrap();
                use std::os::fd::AsRawFd;
                let elsewhere = nix::sys::socket::SockaddrIn::new(127, 0, 0, 9, 0);
                nix::sys::socket::bind(socket.as_raw_fd(), &elsewhere).unwrap();
                let SocketAddr::V4(to) = to else { panic!() };
                let peer = nix::sys::socket::SockaddrIn::from(to);
                nix::sys::socket::connect(socket.as_raw_fd(), &peer).unwrap();
                let mut stranger = TcpStream::from(socket);
                let _ = stranger.write_all(b"woshi");
                // Turned away.
                assert!(matches!(stranger.read(&mut [0; 1]), Ok(0) | Err(_)));
                let _ = stream.write_all(b"500 so there\r\n");
                return;
            }
            let _ = stream.write_all(b"230 ok\r\n");
            line.clear();
        }
    });
    assert!(!check(&ftp(server.address, "woshi")).up);
}

fn sip(address: SocketAddr) -> Probe {
    let negotiate = Negotiate {
        transport: ipvs::Protocol::Udp,
        login: b"ldirectord@host".to_vec(),
        ..negotiate(ServiceCheck::Sip, "")
    };
    probe(address, ProbeKind::Negotiate(Box::new(negotiate)))
}

#[test]
fn datagrams_and_their_refusal() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let server = std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        // The first one is lost.
        socket.recv_from(&mut buffer).unwrap();
        let (_, from) = socket.recv_from(&mut buffer).unwrap();
        socket
            .send_to(b"SIP/2.0 200 OK\r\nX: y\r\n\r\n", from)
            .unwrap();
    });
    assert!(check(&sip(address)).up);
    server.join().unwrap();

    let begin = monotonic();
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let verdict = check(&sip(address));
    assert_eq!(
        verdict,
        Verdict::down("Connection failed (Connection refused)")
    );
    assert!(
        monotonic() - begin < PATIENCE / 4,
        "the refusal was not heard"
    );
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let verdict = check(&within(
        sip(silent.local_addr().unwrap()),
        Duration::from_millis(100),
    ));
    assert_eq!(verdict, Verdict::down("Connection timed out"));
}
