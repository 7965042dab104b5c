//! What a phase must show, and whether it did.
//!
//! * The settled table equals the recorded one, line by line.
//! * The log has the recorded texts, in the recorded order as far as that means something ([`texts::orders`]).
//! * Commands end with the recorded code and print the recorded text.
//! * On the way to the settled table every entry (a service, a real server with its weight) is only ever seen in states
//!   that the recording has for it in this phase or just before it: steps may be left out, since changes may be made in
//!   one go, but nothing else may be seen. What is there throughout in the recording is never missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::scenario::{Exit, Phase, Stimulus, Table};
use crate::texts;

/// What the runner saw in one phase.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// Texts of the log, in order.
    pub log: Vec<String>,
    /// The table at the beginning, then each state seen.
    pub tables: Vec<Table>,
    /// How the commands ended, in order.
    pub exits: Vec<Exit>,
}

/// Whether an observation is what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it.
    Met,
    /// Not yet; what is missing.
    Pending(String),
    /// It cannot become right any more; why.
    Wrong(String),
}

/// What a phase must show.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What is done.
    pub stimuli: Vec<Stimulus>,
    /// Texts of the log, masked.
    pub log: Vec<String>,
    /// Words of texts that may be said or not.
    pub maybe_said: Vec<String>,
    /// The settled table.
    pub table: Table,
    /// States that entries may be in on the way.
    pub on_the_way: BTreeMap<Entry, BTreeSet<State>>,
    /// How the commands end, masked.
    pub exits: Vec<Exit>,
    /// Whether nothing more may come.
    pub quiet_after: bool,
}

/// A service (`-t 192.168.6.66:80`), or a real server of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    service: String,
    server: Option<String>,
}

/// Absent, or there: a service with its scheduler, a server with its weight.
pub type State = Option<String>;

impl Expectation {
    /// From a recorded phase, and the settled table of the one before it.
    pub fn new(phase: &Phase, before: &Table) -> Self {
        let table = phase.tables.last().unwrap_or(before).clone();
        let mut on_the_way = BTreeMap::new();
        let tables: Vec<_> = std::iter::once(before)
            .chain(&phase.tables)
            .map(entries)
            .collect();
        for seen in &tables {
            for (entry, state) in seen {
                add(&mut on_the_way, entry, Some(state.clone()));
            }
        }
        // The recorder looked at the table ten times a second; the commands tell what it may have missed.
        let mut services = BTreeSet::new();
        for change in &phase.changes {
            if let Some((entry, state)) = read_change(change) {
                if state.is_none() && entry.server.is_none() {
                    services.insert(entry.service.clone());
                }
                add(&mut on_the_way, &entry, state);
            }
        }
        for entry in on_the_way.keys().cloned().collect::<Vec<_>>() {
            if tables.iter().any(|seen| !seen.contains_key(&entry)) {
                add(&mut on_the_way, &entry, None);
            }
        }
        // With a service go its servers.
        for (entry, states) in &mut on_the_way {
            if services.contains(&entry.service) {
                states.insert(None);
            }
        }
        Expectation {
            stimuli: phase.stimuli.clone(),
            log: phase.log.iter().map(|text| texts::masked(text)).collect(),
            maybe_said: Vec::new(),
            table,
            on_the_way,
            exits: phase.exits.iter().map(masked_exit).collect(),
            quiet_after: phase.quiet_after,
        }
    }

    /// Adds a text where it belongs: in front of the farewell to its service, if there is one.
    pub fn say_before_the_service_goes(&mut self, text: &str) {
        let service = texts::subject(text).service;
        let place = self.log.iter().position(|other| {
            other.starts_with("Purged virtual server") && texts::subject(other).service == service
        });
        self.log
            .insert(place.unwrap_or(self.log.len()), text.to_owned());
    }

    /// Makes another table the settled one; its entries may be as they are there.
    pub fn settle_at(&mut self, table: Table) {
        for (entry, state) in entries(&table) {
            add(&mut self.on_the_way, &entry, Some(state));
        }
        self.table = table;
    }

    /// Every real server may be at weight 0 on the way.
    pub fn may_be_quiescent(&mut self) {
        for (entry, states) in &mut self.on_the_way {
            if entry.server.is_some() {
                states.insert(Some("0".to_owned()));
            }
        }
    }

    /// Judges what was seen so far.
    pub fn judge(&self, seen: &Observation) -> Verdict {
        let verdicts = [
            self.judge_exits(&seen.exits),
            self.judge_steps(&seen.tables),
            self.judge_log(&seen.log),
            self.judge_table(seen.tables.last()),
        ];
        let wrong = verdicts
            .iter()
            .find(|verdict| matches!(verdict, Verdict::Wrong(_)));
        let pending = verdicts
            .iter()
            .find(|verdict| matches!(verdict, Verdict::Pending(_)));
        wrong.or(pending).cloned().unwrap_or(Verdict::Met)
    }

    fn judge_exits(&self, exits: &[Exit]) -> Verdict {
        let seen: Vec<Exit> = exits.iter().map(masked_exit).collect();
        match self
            .exits
            .iter()
            .zip(&seen)
            .find(|(wanted, seen)| wanted != seen)
        {
            Some((wanted, seen)) => Verdict::Wrong(format!(
                "a command ended with {seen:?}\n  it should with {wanted:?}"
            )),
            None if seen.len() < self.exits.len() => {
                Verdict::Pending("a command still runs".into())
            }
            None => Verdict::Met,
        }
    }

    fn judge_steps(&self, tables: &[Table]) -> Verdict {
        for table in tables {
            let seen = entries(table);
            for (entry, state) in &seen {
                let allowed = self.on_the_way.get(entry);
                if !allowed.is_some_and(|allowed| allowed.contains(&Some(state.clone()))) {
                    return Verdict::Wrong(format!(
                        "the table had {entry:?} as {state}, which it never should here\n{}",
                        shown(&table.lines())
                    ));
                }
            }
            for (entry, allowed) in &self.on_the_way {
                if !allowed.contains(&None) && !seen.contains_key(entry) {
                    return Verdict::Wrong(format!(
                        "the table was without {entry:?}, which it never should here\n{}",
                        shown(&table.lines())
                    ));
                }
            }
        }
        Verdict::Met
    }

    fn judge_log(&self, log: &[String]) -> Verdict {
        let masked: Vec<String> = log
            .iter()
            .map(|text| texts::masked(text))
            .filter(|text| !self.maybe_said.iter().any(|words| text.contains(words)))
            .collect();
        let (seen, wanted) = (
            texts::without_repeats(&masked),
            texts::without_repeats(&self.log),
        );
        let mut rest = wanted.clone();
        for text in &seen {
            match rest.iter().position(|other| other == text) {
                Some(place) => {
                    rest.remove(place);
                }
                None => {
                    return Verdict::Wrong(format!(
                        "the log said too much: {text:?}\nseen:\n{}\nexpected:\n{}",
                        shown(&seen),
                        shown(&wanted)
                    ));
                }
            }
        }
        if !rest.is_empty() {
            return Verdict::Pending(format!("missing in the log:\n{}", shown(&rest)));
        }
        let (seen_orders, wanted_orders) = (texts::orders(&seen), texts::orders(&wanted));
        for (service, order) in &wanted_orders {
            if seen_orders.get(service) != Some(order) {
                return Verdict::Wrong(format!(
                    "the log of {service} has another order\nseen:\n{}\nexpected:\n{}",
                    shown(&seen),
                    shown(&wanted)
                ));
            }
        }
        Verdict::Met
    }

    fn judge_table(&self, table: Option<&Table>) -> Verdict {
        if table == Some(&self.table) {
            return Verdict::Met;
        }
        Verdict::Pending(format!(
            "the table is\n{}\nit should become\n{}",
            shown(&table.map(Table::lines).unwrap_or_default()),
            shown(&self.table.lines())
        ))
    }
}

fn masked_exit(exit: &Exit) -> Exit {
    Exit {
        code: exit.code,
        output: exit
            .output
            .lines()
            .map(texts::masked)
            .collect::<Vec<_>>()
            .join("\n")
            .trim()
            .to_owned(),
    }
}

/// Lines, indented.
pub fn shown(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn add(states: &mut BTreeMap<Entry, BTreeSet<State>>, entry: &Entry, state: State) {
    states.entry(entry.clone()).or_default().insert(state);
}

fn entries(table: &Table) -> BTreeMap<Entry, String> {
    table
        .lines()
        .iter()
        .filter_map(|line| read_change(line))
        .filter_map(|(entry, state)| Some((entry, state?)))
        .collect()
}

/// The entry that a line such as `-a -t V -r R -g -w 2` is about, and the state that it leads to.
fn read_change(line: &str) -> Option<(Entry, State)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |names: &[&str]| {
        let place = words.iter().position(|word| names.contains(word))?;
        words.get(place + 1).map(|word| (*word).to_owned())
    };
    let entry = Entry {
        service: after(&["-t", "-u", "-f"])?,
        server: after(&["-r"]),
    };
    let state = match *words.first()? {
        "-A" | "-E" => Some(after(&["-s"]).unwrap_or_default()),
        "-a" | "-e" => Some(after(&["-w"]).unwrap_or_default()),
        "-d" | "-D" => None,
        _ => return None,
    };
    Some((entry, state))
}
