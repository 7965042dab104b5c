//! Texts of the log, made comparable.

use std::collections::{BTreeMap, BTreeSet};

/// What a line of the log is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The virtual service, if one is named.
    pub service: Option<String>,
    /// The real or fallback server, if one is named.
    pub server: Option<String>,
}

/// Takes out of a text what differs from run to run: process numbers, and the version.
pub fn masked(text: &str) -> String {
    let mut text = text.trim_end().to_owned();
    for (before, after) in [
        ("with pid: ", ""),
        ("running with pid: ", ""),
        ("PID=", ""),
        ("Error [", "]"),
        ("Warning [", "]"),
        ("Linux Director v", ""),
    ] {
        text = mask_after(&text, before, after);
    }
    text
}

/// Replaces the word after `before` by `N`; with `after`, only up to that.
fn mask_after(text: &str, before: &str, after: &str) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once(before) {
        let end = if after.is_empty() {
            tail.find(|c: char| c.is_whitespace() || c == ')')
        } else {
            tail.find(after)
        }
        .unwrap_or(tail.len());
        done.push_str(head);
        done.push_str(before);
        done.push('N');
        rest = &tail[end..];
    }
    done + rest
}

/// The text of a line of the log file, without `[TIME|INSTANCE|PID] `. A line that does not begin like that continues
/// the one before it, and is shown as the recorder showed it.
pub fn of_log_line(line: &str) -> String {
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((_, text)) => text.to_owned(),
        None => format!("(line) {line}"),
    }
}

/// What a text is about.
pub fn subject(text: &str) -> Subject {
    let text = text.strip_prefix("emailalert: ").unwrap_or(text);
    if let Some(rest) = ["Child not running for ", "Spawned child ", "Killing child "]
        .iter()
        .find_map(|start| text.strip_prefix(start))
    {
        let word = rest.split([' ', ',']).next().unwrap_or(rest);
        return Subject {
            service: Some(without_protocol(word)),
            server: None,
        };
    }
    let Some((head, rest)) = text.split_once(": ") else {
        return Subject::default();
    };
    if head.contains("virtual server") {
        return Subject {
            service: Some(rest.trim().to_owned()),
            server: None,
        };
    }
    if ["real server", "fallback server", "soft failure count"]
        .iter()
        .any(|word| head.contains(word))
        && let Some((server, service)) = rest.split_once(" (")
    {
        let service = service.split(')').next().unwrap_or_default();
        let server = server.split(" mapped from ").last().unwrap_or(server);
        return Subject {
            service: Some(without_protocol(service)),
            server: Some(server.to_owned()),
        };
    }
    Subject::default()
}

fn without_protocol(service: &str) -> String {
    ["tcp:", "udp:", "fwm:"]
        .iter()
        .find_map(|protocol| service.strip_prefix(protocol))
        .unwrap_or(service)
        .to_owned()
}

/// The order of a log as far as it means something, service by service.
///
/// The legacy walks its real servers in the order of a hash, so lines about different real servers of one service may
/// change places, and so may lines of different services. What does not: the lines of one real server among themselves,
/// and any line against one that names no real server.
pub fn orders(log: &[String]) -> BTreeMap<String, Vec<String>> {
    let subjects: Vec<Subject> = log.iter().map(|text| subject(text)).collect();
    let services: BTreeSet<&String> = subjects.iter().filter_map(|s| s.service.as_ref()).collect();
    let mut orders = BTreeMap::new();
    let general: Vec<String> = log
        .iter()
        .zip(&subjects)
        .filter(|(_, subject)| subject.service.is_none())
        .map(|(text, _)| text.clone())
        .collect();
    orders.insert("(no service)".to_owned(), general);
    for service in services {
        let mut order: Vec<String> = Vec::new();
        let mut between: Vec<(&String, &String)> = Vec::new();
        for (text, subject) in log.iter().zip(&subjects) {
            if subject
                .service
                .as_ref()
                .is_some_and(|other| other != service)
            {
                continue;
            }
            if let Some(server) = &subject.server {
                between.push((server, text));
            } else {
                flush(&mut between, &mut order);
                order.push(text.clone());
            }
        }
        flush(&mut between, &mut order);
        orders.insert(service.clone(), order);
    }
    orders
}

fn flush(between: &mut Vec<(&String, &String)>, order: &mut Vec<String>) {
    between.sort_by_key(|(server, _)| (*server).clone());
    order.extend(between.drain(..).map(|(_, text)| text.clone()));
}

/// Mails about a server that stays away are repeated every few seconds: how often depends on how long one looks.
pub fn without_repeats(log: &[String]) -> Vec<String> {
    let mut said = BTreeSet::new();
    log.iter()
        .filter(|text| {
            !text.starts_with("emailalert: Inaccessible ") || said.insert((*text).clone())
        })
        .cloned()
        .collect()
}
