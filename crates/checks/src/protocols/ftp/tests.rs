//! Tests of the ftp check.

use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{self, Play};

fn play_for(receive: &'static str) -> Play {
    Play::new(move || {
        let negotiate = Negotiate {
            login: b"anonymous".to_vec(),
            password: Password::new("ldirectord@lvs1"),
            ..bench::exchange("/check.txt", receive)
        };
        Box::new(Ftp::new(bench::SERVER, 21, &negotiate).unwrap())
    })
}

fn play() -> Play {
    play_for("all is well")
}

// As recorded from vsftpd 3.0.3.
const LOGIN: [&str; 5] = [
    "220 (vsFTPd 3.0.3)\r\n",
    "331 Please specify the password.\r\n",
    "230 Login successful.\r\n",
    "250 Directory successfully changed.\r\n",
    "200 Switching to Binary mode.\r\n",
];
const PORT_OK: &str = "200 PORT command successful. Consider using PASV.\r\n";
const BEGIN: &str = "150 Opening BINARY mode data connection for /check.txt (12 bytes).\r\n";
const END: &str = "226 Transfer complete.\r\n";

fn logged_in(mut play: Play) -> Play {
    for line in LOGIN {
        play = play.hears(line);
    }
    play
}

fn listening(play: Play) -> Play {
    logged_in(play).event(Event::SideListening("192.0.2.1:4660".parse().unwrap()))
}

#[test]
fn the_server_connects_to_us() {
    let end = listening(play())
        .hears(PORT_OK)
        .hears(BEGIN)
        .event(Event::SideConnected)
        .event(Event::SideData(b"all is"))
        .event(Event::SideData(b" well\n"))
        .event(Event::SideClosed)
        .hears(END)
        .ends();
    assert_eq!(end.verdict, Verdict::up("-"));
    assert_eq!(
        end.said,
        "USER anonymous\r\nPASS ldirectord@lvs1\r\nCWD /\r\nTYPE I\r\n\
         PORT 192,0,2,1,18,52\r\nRETR /check.txt\r\nQUIT\r\n"
    );
}

#[test]
fn the_end_may_be_heard_of_before_it_is_seen() {
    let end = listening(play())
        .hears(PORT_OK)
        .hears(BEGIN)
        .hears(END)
        .event(Event::SideConnected)
        .event(Event::SideData(b"all is well\n"))
        .event(Event::Woken)
        .event(Event::SideClosed)
        .ends();
    assert_eq!(end.verdict, Verdict::up("-"));
}

#[test]
fn what_was_transferred_has_to_match() {
    let fetch = |play, text: &'static [u8], end: &str| {
        listening(play)
            .hears(PORT_OK)
            .hears(BEGIN)
            .event(Event::SideConnected)
            .event(Event::SideData(text))
            .event(Event::SideClosed)
            .hears(end)
            .ends()
            .verdict
    };
    assert!(!fetch(play(), b"all is lost", END).up);
    assert!(!fetch(play(), b"", END).up);
    assert!(fetch(play_for(""), b"anything", END).up);
    assert!(fetch(play_for(""), b"", END).up);
    let broken = "426 Failure writing network stream.\r\n";
    assert!(!fetch(play(), b"all is well", broken).up);
}

#[test]
fn a_file_without_end() {
    let fetch = |play| {
        let mut play = listening(play)
            .hears(PORT_OK)
            .hears(BEGIN)
            .event(Event::SideConnected)
            .event(Event::SideData(b"all is well"));
        for _ in 0..FILE_MAX / 16_000 + 1 {
            if play.verdict().is_none() {
                play = play.event(Event::SideData(&[b'x'; 16_000]));
            }
        }
        play.ends().verdict
    };
    assert_eq!(fetch(play()), Verdict::up("-"));
    assert_eq!(fetch(play_for("")), Verdict::up("-"));
    assert_eq!(fetch(play_for("y")), Verdict::down("Answer too long"));
}

fn fetches_passively(play: Play, answer: &str, command: &str, port: u16) {
    let play = play.hears(answer);
    assert_eq!(play.effects.last(), Some(&Effect::SideConnect(port)));
    let end = play
        .event(Event::SideConnected)
        .hears(BEGIN)
        .event(Event::SideData(b"all is well\n"))
        .hears(END)
        .event(Event::SideClosed)
        .ends();
    assert_eq!(end.verdict, Verdict::up("-"));
    let tail = format!("{command}\r\nRETR /check.txt\r\nQUIT\r\n");
    assert!(end.said.ends_with(&tail), "{}", end.said);
}

const PASSIVE: &str = "227 Entering Passive Mode (203,0,113,7,18,53).\r\n";

#[test]
fn the_server_will_not_connect() {
    let refusing = listening(play()).hears("500 Illegal PORT command.\r\n");
    fetches_passively(refusing, PASSIVE, "PASV", 4661);
    let failing = listening(play())
        .hears(PORT_OK)
        .hears("425 Failed to establish connection.\r\n");
    fetches_passively(failing, PASSIVE, "PASV", 4661);
    let deaf = logged_in(play()).event(Event::SideClosed);
    fetches_passively(deaf, PASSIVE, "PASV", 4661);
    let modern = listening(play())
        .hears("500 Illegal PORT command.\r\n")
        .hears("502 Command not implemented.\r\n");
    fetches_passively(modern, "229 Entering (|||4661|)\r\n", "EPSV", 4661);
}

#[test]
fn the_server_s_connection_does_not_come() {
    let mut waiting = listening(play()).hears(PORT_OK);
    assert_eq!(waiting.effects.last(), Some(&Effect::Wake(PATIENCE)));
    waiting = waiting.event(Event::Woken);
    assert!(matches!(waiting.effects.last(), Some(Effect::Reconnect(_))));
    let again = waiting.event(Event::Connected {
        local: bench::LOCAL,
    });
    fetches_passively(logged_in(again), PASSIVE, "PASV", 4661);
}

#[test]
fn no_data_connection_either_way() {
    let end = listening(play())
        .hears("500 Illegal PORT command.\r\n")
        .hears(PASSIVE)
        .event(Event::SideClosed)
        .ends();
    assert_eq!(end.verdict, Verdict::down("Data connection failed"));
    let end = listening(play())
        .hears("500 no\r\n")
        .hears("500 no\r\n")
        .hears("500 never\r\n")
        .ends();
    assert_eq!(end.verdict, Verdict::down("500 never"));
}

#[test]
fn ipv6_has_words_of_its_own() {
    let play = Play::new(|| {
        let negotiate = bench::exchange("/check.txt", "well");
        Box::new(Ftp::new("2001:db8::2".parse().unwrap(), 21, &negotiate).unwrap())
    });
    let listening =
        logged_in(play).event(Event::SideListening("[2001:db8::1]:4660".parse().unwrap()));
    let command = b"EPRT |2|2001:db8::1|4660|\r\n".to_vec();
    assert_eq!(listening.effects.last(), Some(&Effect::Send(command)));
    let refusing = listening.hears("500 no\r\n");
    fetches_passively(refusing, "229 Entering (!!!4661!)\r\n", "EPSV", 4661);
}

#[test]
fn a_refused_login_is_the_reason() {
    let mut play = play();
    for line in [LOGIN[0], LOGIN[1], "530 Login incorrect.\r\n"] {
        play = play.hears(line);
    }
    for _ in 0..2 {
        play = play.hears("530 Please login with USER and PASS.\r\n");
    }
    play = play.event(Event::SideListening(bench::LOCAL));
    for _ in 0..3 {
        play = play.hears("530 Please login with USER and PASS.\r\n");
    }
    assert_eq!(play.ends().verdict, Verdict::down("530 Login incorrect."));
}

#[test]
fn single_refusals_do_not_matter() {
    let end = play()
        .hears("120 wait\r\n")
        .hears("220 ready\r\n")
        .hears("230 no password needed\r\n")
        .hears("550 no such directory\r\n")
        .hears("504 no such type\r\n")
        .event(Event::SideListening(bench::LOCAL))
        .hears(PORT_OK)
        .event(Event::SideConnected)
        .hears(BEGIN)
        .event(Event::SideData(b"all is well"))
        .event(Event::SideClosed)
        .hears(END)
        .ends();
    assert_eq!(end.verdict, Verdict::up("-"));
    assert!(!end.said.contains("PASS"));
}

#[test]
fn no_such_file_and_no_such_service() {
    let end = listening(play())
        .hears(PORT_OK)
        .hears("550 Failed to open file.\r\n")
        .ends();
    assert_eq!(end.verdict, Verdict::down("550 Failed to open file."));
    let end = play().hears("421 Too many users\r\n").ends();
    assert_eq!(end.verdict, Verdict::down("421 Too many users"));
    let end = play().hears("SSH-2.0-OpenSSH_9.2\r\n").ends();
    assert_eq!(end.verdict, Verdict::down("Response mismatch"));
}

#[test]
fn ports_in_replies() {
    let port = |text: &str| passive_port(text.as_bytes());
    assert_eq!(port("227 Entering Passive Mode (1,2,3,4,1,2)"), Some(258));
    assert_eq!(port("227 =1,2,3,4,255,255"), Some(65535));
    for bad in [
        "227",
        "227 ",
        "227 no",
        "227 (1,2,3,4,5)",
        "227 (1,2,3,4,5,6,7)",
        "227 (1,2,3,4,256,1)",
        "227 (1,2,3,4,0,0)",
        "227 (,,,,,)",
    ] {
        assert_eq!(port(bad), None, "{bad}");
    }
    let port = |text: &str| extended_passive_port(text.as_bytes());
    assert_eq!(port("229 x (|||6446|)"), Some(6446));
    for bad in [
        "229",
        "229 (",
        "229 (||",
        "229 (||!1|)",
        "229 (|||0|)",
        "229 (|||65536|)",
        "229 (||||)",
    ] {
        assert_eq!(port(bad), None, "{bad}");
    }
}

#[test]
fn a_command_is_one_line() {
    for request in ["/a\r\nDELE b", "/a\nDELE b"] {
        let negotiate = bench::exchange(request, "");
        assert!(Ftp::new(bench::SERVER, 21, &negotiate).is_err());
    }
}

#[test]
fn neither_noise_nor_packet_borders_matter() {
    bench::sturdy(play, &LOGIN);
    bench::sturdy(
        play,
        &[LOGIN[0], LOGIN[1], "530-No\r\n530 Login incorrect.\r\n"],
    );
}

proptest! {
    /// A whole transfer, with the answers and the file in any packets.
    #[test]
    fn packet_borders_do_not_matter(cuts in proptest::collection::vec(any::<usize>(), 0..5)) {
        let hears = |mut play: Play, text: &str| {
            for piece in bench::pieces(text.as_bytes(), &cuts) {
                play = play.hears(piece);
            }
            play
        };
        let mut play = play();
        for line in LOGIN {
            play = hears(play, line);
        }
        play = play.event(Event::SideListening(bench::LOCAL));
        play = hears(hears(play, PORT_OK), BEGIN).event(Event::SideConnected);
        for piece in bench::pieces(b"all is well", &cuts) {
            play = play.event(Event::SideData(piece));
        }
        let end = hears(play.event(Event::SideClosed), END).ends();
        prop_assert_eq!(end.verdict, Verdict::up("-"));
    }

    /// Whatever happens, in whatever order, nothing panics.
    #[test]
    fn any_events(events in proptest::collection::vec(0_usize..12, 0..60)) {
        let mut play = play().connected();
        for event in events {
            if play.verdict().is_some() {
                break;
            }
            let event = match event {
                0 => Event::Data(b"200 x\n"),
                1 => Event::Data(b"331 x\n"),
                2 => Event::Data(b"150 x\n"),
                3 => Event::Data(b"227 1,1,1,1,1,1\n"),
                4 => Event::Data(b"229 (|||1|)\n"),
                5 => Event::Data(b"425 x\n"),
                6 => Event::SideListening(bench::LOCAL),
                7 => Event::SideConnected,
                8 => Event::SideData(b"x"),
                9 => Event::SideClosed,
                10 => Event::Woken,
                _ => Event::Data(b"500 x\n"),
            };
            play = play.event(event);
        }
    }
}
