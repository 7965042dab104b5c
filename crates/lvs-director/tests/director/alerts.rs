//! Mail (`ldirectord.md` 9), and warnings.

use std::time::Duration;

use lvs_director::{Input, Mail};

use crate::QUIESCENT;
use crate::world::World;

#[test]
fn mails_follow_the_states_and_repeat() {
    let text = format!("emailalert=a@b\nemailalertstatus=running\nemailalertfreq=5\n{QUIESCENT}");
    let mut world = World::start(&text);
    assert!(world.mails.is_empty(), "starting is not asked for");
    world.seconds(2);
    world.mails.clear();
    world.down("192.168.6.42");
    world.seconds(14);
    let times: Vec<Duration> = world.mails.iter().map(|(at, _)| *at).collect();
    assert_eq!(
        world.subjects(),
        [
            "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "Inaccessible real server: 192.168.6.42:80 (192.168.6.66:80)",
            "Inaccessible real server: 192.168.6.42:80 (192.168.6.66:80)",
        ]
    );
    assert_eq!(times[1] - times[0], Duration::from_secs(5));
    assert_eq!(times[2] - times[1], Duration::from_secs(5));
    world.sights.clear();
    world.seconds(2);
    world.mails.clear();
    world.seconds(12);
    assert!(world.mails.is_empty());
}

#[test]
fn every_server_line_is_mailed_and_logged_but_no_line_of_a_virtual_service() {
    let mut world = World::start(&format!("emailalert=a@b\n{QUIESCENT}"));
    let log = world.log();
    assert_eq!(
        log,
        [
            "Added virtual server: 192.168.6.66:80",
            "Added fallback server: 127.0.0.1:80 (192.168.6.66:80) (Weight set to 1)",
            "emailalert: Added fallback server: 127.0.0.1:80 (192.168.6.66:80) (Weight set to 1)",
            "Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "emailalert: Quiescent real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 0)",
            "Quiescent real server: 192.168.6.46:80 (192.168.6.66:80) (Weight set to 0)",
            "emailalert: Quiescent real server: 192.168.6.46:80 (192.168.6.66:80) (Weight set to 0)",
        ]
    );
    let bodies: Vec<String> = world
        .mails
        .iter()
        .map(|(_, mail)| mail.body.clone())
        .collect();
    assert_eq!(
        bodies[0],
        "Log-Message: Added fallback server: 127.0.0.1:80 (192.168.6.66:80) (Weight set to 1)\nDaemon-Status: starting\n"
    );
    world.seconds(2);
    world.mails.clear();
    world.reload(&format!(
        "emailalert=a@b\n{}",
        QUIESCENT.replace("gate 2", "gate 4")
    ));
    assert!(
        world.mails[0]
            .1
            .body
            .ends_with("Daemon-Status: reloading\n")
    );
    world.mails.clear();
    world.stop();
    assert_eq!(
        world.subjects(),
        [
            "Purged real server (stop): 192.168.6.42:80 (192.168.6.66:80)",
            "Purged real server (stop): 192.168.6.46:80 (192.168.6.66:80)",
        ]
    );
}

#[test]
fn a_service_with_a_name_gets_the_longer_mail() {
    let text = format!(
        "emailalert=a@b\nemailalertfrom=c@d\nsmtp=127.0.0.1\nemailalertstatus=running\n{}",
        QUIESCENT.replace(
            "\tservice=",
            "\tservicename=web\n\tcomment=call ops\n\tservice="
        )
    );
    let mut world = World::start(&text);
    world.answer();
    let subject = "Restored real server: 192.168.6.42:80 (192.168.6.66:80) (Weight set to 2)";
    assert_eq!(
        world.mails[0].1,
        Mail {
            to: "a@b".into(),
            from: Some("c@d".into()),
            smtp: Some("127.0.0.1".into()),
            subject: format!("[web] {subject}"),
            body: format!(
                "ldirectord host: director\nLog-Message: {subject}\nDaemon-Status: running\n\nService name: web\nComment: call ops\n"
            ),
        }
    );
}

#[test]
fn a_deleted_fallback_starts_no_repetition_and_a_deleted_server_does() {
    let text = format!("quiescent=no\nemailalert=a@b\nemailalertfreq=2\n{QUIESCENT}");
    let mut world = World::start(&text);
    world.seconds(10);
    assert!(
        !world
            .subjects()
            .iter()
            .any(|subject| subject.starts_with("Inaccessible"))
    );
    world.down("192.168.6.42");
    world.seconds(5);
    assert_eq!(
        world
            .subjects()
            .iter()
            .filter(
                |subject| *subject == "Inaccessible real server: 192.168.6.42:80 (192.168.6.66:80)"
            )
            .count(),
        2
    );
}

#[test]
fn reminders_go_on_over_a_reload_in_the_new_rhythm() {
    let text = format!("emailalert=a@b\nemailalertfreq=5\n{QUIESCENT}");
    let mut world = World::start(&text);
    world.seconds(2);
    world.down("192.168.6.42");
    world.seconds(2);
    world.mails.clear();
    world.reload(&text.replace("freq=5", "freq=2"));
    world.seconds(4);
    assert_eq!(world.subjects().len(), 2);
    world.reload(QUIESCENT);
    world.seconds(20);
    assert!(world.mails.is_empty());
}

#[test]
fn clients_pinned_to_a_dead_server_are_warned_of_once_per_change_with_the_line_to_set() {
    let text = QUIESCENT.replace("\tservice", "\tpersistent=5\n\tservice");
    let mut world = World::start(&text);
    world.log();
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    world.handle(Input::ExpireNodestConn(Some(false)));
    let warning = "Warning: persistent clients of 192.168.6.66:80 stay with a real server that has failed; to have them scheduled anew: sysctl -w net.ipv4.vs.expire_quiescent_template=1";
    assert_eq!(world.log(), [warning]);
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    assert_eq!(world.log(), [""; 0]);
    world.handle(Input::ExpireQuiescentTemplate(Some(true)));
    assert_eq!(world.log(), [""; 0]);
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    assert_eq!(world.log(), [warning]);
    world.reload(&format!("quiescent=no\n{text}"));
    let log = world.log();
    assert!(
        log.contains(&"Warning: open connections of 192.168.6.66:80 to a real server that has failed hang until the client gives up; to end them at once: sysctl -w net.ipv4.vs.expire_nodest_conn=1".to_owned()),
        "{log:?}"
    );
    world.reload(QUIESCENT);
    world.handle(Input::ExpireNodestConn(None));
    assert!(!world.log().iter().any(|line| line.starts_with("Warning")));
}

#[test]
fn a_warning_names_some_services_and_counts_the_rest() {
    let services: String = (1..=7)
        .map(|n| {
            format!(
                "virtual=10.0.0.{n}:80\n\treal=10.1.0.1:80 gate\n\tpersistent=5\n\tchecktype=off\n"
            )
        })
        .collect();
    let mut world = World::start(&format!("{services}# end\n"));
    world.log();
    world.handle(Input::ExpireQuiescentTemplate(Some(false)));
    let log = world.log();
    assert!(log[0].contains("10.0.0.5:80, 2 more stay"), "{log:?}");
}
