//! One check that talks: its conversation with the connections that it uses.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use ha_sys::{Interest, Poller};

use super::Outcome;
use super::line::{Line, Refusal, Step};
use super::lookup::{Answer, Resolver};
use super::slots::{Part, Slots};
use super::tls::Configurations;
use crate::{Conversation, Effect, Effects, Event, Host, Target, Transport, Verdict};

/// How much one report of readiness may read from a connection before others have their turn.
const READS_MAX: u32 = 8;

/// What a talk needs from the driver.
pub(crate) struct Tools<'a> {
    pub(crate) now: Duration,
    pub(crate) slot: u32,
    pub(crate) slots: &'a mut Slots,
    pub(crate) poller: &'a Poller,
    pub(crate) tls: &'a mut Configurations,
    pub(crate) resolver: &'a mut Resolver,
    pub(crate) scratch: &'a mut [u8],
    /// Connections that are no longer needed and want an orderly end.
    pub(crate) retired: &'a mut Vec<Line>,
}

/// Whether a check goes on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It does.
    Going,
    /// It has ended.
    Over(Outcome),
}

/// The check.
pub(crate) struct Talk {
    conversation: Box<dyn Conversation>,
    effects: Effects,
    main: Main,
    side: Option<Side>,
    /// More addresses of a name, to be tried when one does not answer.
    further: Vec<IpAddr>,
    target: Target,
    /// What TLS had to say, for a verdict that says nothing itself.
    remark: Option<&'static str>,
    pending: VecDeque<Pending>,
    /// When the conversation wants to be woken.
    pub(crate) wake: Option<Duration>,
    /// When the check has failed.
    pub(crate) deadline: Duration,
}

#[derive(Debug)]
enum Main {
    None,
    LookingUp,
    Line(Line),
}

#[derive(Debug)]
enum Side {
    Listening(TcpListener),
    Line(Line),
}

/// Events that came of effects.
#[derive(Debug)]
enum Pending {
    Failed(String),
    SideListening(SocketAddr),
    SideClosed,
}

impl Talk {
    /// A check that has not begun.
    pub(crate) fn new(conversation: Box<dyn Conversation>, deadline: Duration) -> Talk {
        let target = conversation.target();
        Talk {
            conversation,
            effects: Effects::new(),
            main: Main::None,
            side: None,
            further: Vec::new(),
            target,
            remark: None,
            pending: VecDeque::new(),
            wake: None,
            deadline,
        }
    }

    /// Makes the first connection.
    pub(crate) fn begin(&mut self, tools: &mut Tools<'_>) -> Progress {
        let target = self.target.clone();
        match self.go_to(target, tools) {
            Ok(()) => self.settle(tools),
            Err(local) => Progress::Over(local),
        }
    }

    /// A connection is ready.
    pub(crate) fn ready(
        &mut self,
        part: Part,
        readable: bool,
        writable: bool,
        tools: &mut Tools<'_>,
    ) -> Progress {
        match part {
            Part::Main => self.main_ready(readable, writable, tools),
            Part::Side => self.side_ready(readable, writable, tools),
            Part::Lookup | Part::Echo4 | Part::Echo6 => Progress::Going,
        }
    }

    /// A name has been looked up.
    pub(crate) fn looked_up(&mut self, answer: Answer, tools: &mut Tools<'_>) -> Progress {
        if !matches!(self.main, Main::LookingUp) {
            return Progress::Going;
        }
        self.main = Main::None;
        match answer {
            Ok(mut addresses) if !addresses.is_empty() => {
                let first = addresses.remove(0);
                self.further = addresses;
                if let Err(local) = self.connect(first, tools) {
                    return Progress::Over(local);
                }
            }
            Ok(_) => self
                .pending
                .push_back(Pending::Failed("Name or service not known".to_owned())),
            Err(text) => self.pending.push_back(Pending::Failed(text)),
        }
        self.settle(tools)
    }

    /// The time to be woken has come.
    pub(crate) fn woken(&mut self, tools: &mut Tools<'_>) -> Progress {
        self.wake = None;
        self.tell(Event::Woken, tools)
    }

    /// The check is over: connections end, in an orderly way if the conversation came to its own end.
    pub(crate) fn dismantle(&mut self, orderly: bool, retired: &mut Vec<Line>) {
        let main = std::mem::replace(&mut self.main, Main::None);
        for line in [Side::line(self.side.take()), Main::line(main)]
            .into_iter()
            .flatten()
        {
            if orderly {
                retired.push(line);
            } else {
                line.abandon();
            }
        }
    }

    fn tell(&mut self, event: Event<'_>, tools: &mut Tools<'_>) -> Progress {
        self.conversation.handle(event, &mut self.effects);
        self.settle(tools)
    }

    /// Does what the conversation wants, and tells it what comes of that, until both are content.
    fn settle(&mut self, tools: &mut Tools<'_>) -> Progress {
        loop {
            for effect in self.effects.take() {
                match self.effect(effect, tools) {
                    Ok(()) => {}
                    Err(outcome) => return Progress::Over(outcome),
                }
            }
            let event = match self.pending.pop_front() {
                None => break,
                Some(Pending::SideListening(address)) => {
                    self.conversation
                        .handle(Event::SideListening(address), &mut self.effects);
                    continue;
                }
                Some(Pending::SideClosed) => Event::SideClosed,
                Some(Pending::Failed(ref text)) => {
                    self.conversation
                        .handle(Event::Failed(text), &mut self.effects);
                    continue;
                }
            };
            self.conversation.handle(event, &mut self.effects);
        }
        let token = tools.slots.token(tools.slot, Part::Main);
        if let Main::Line(line) = &mut self.main {
            line.update(tools.poller, token);
        }
        let token = tools.slots.token(tools.slot, Part::Side);
        if let Some(Side::Line(line)) = &mut self.side {
            line.update(tools.poller, token);
        }
        Progress::Going
    }

    fn effect(&mut self, effect: Effect, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        match effect {
            Effect::Send(bytes) => {
                if let Main::Line(line) = &mut self.main {
                    line.send(bytes);
                }
            }
            Effect::FinishSending => {
                if let Main::Line(line) = &mut self.main {
                    line.finish_sending();
                }
            }
            Effect::StartTls {
                server_name,
                verify,
            } => {
                if let Main::Line(line) = &mut self.main {
                    let address = line.peer().ip();
                    match tools.tls.session(server_name.as_deref(), &verify, address) {
                        Ok(session) => line.start_tls(session),
                        Err(text) => self.pending.push_back(Pending::Failed(text)),
                    }
                }
            }
            Effect::Wake(pause) => self.wake = Some(tools.now.saturating_add(pause)),
            Effect::Reconnect(target) => return self.go_to(target, tools),
            Effect::SideListen => return self.listen(tools),
            Effect::SideConnect(port) => return self.connect_side(port, tools),
            Effect::Done(verdict) => return Err(Outcome::Verdict(self.with_remark(verdict))),
        }
        Ok(())
    }

    fn with_remark(&self, verdict: Verdict) -> Verdict {
        match self.remark {
            Some(remark) if verdict.remark.is_none() && !verdict.up => verdict.remark(remark),
            _ => verdict,
        }
    }

    /// Leaves the main connection, if any, for another one.
    fn go_to(&mut self, target: Target, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        self.leave(tools);
        self.wake = None;
        self.remark = None;
        self.further.clear();
        self.target = target;
        match self.target.address.clone() {
            Host::Address(address) => self.connect(address, tools),
            Host::Name(name) => {
                let ticket = tools.slots.token(tools.slot, Part::Main);
                match tools.resolver.ask(ticket, &name, tools.poller) {
                    Ok(()) => {
                        self.main = Main::LookingUp;
                        Ok(())
                    }
                    Err(text) => Err(Outcome::Local(text)),
                }
            }
        }
    }

    /// Reports about the old connection that are under way must not be taken for the new one's.
    fn leave(&mut self, tools: &mut Tools<'_>) {
        let old = std::mem::replace(&mut self.main, Main::None);
        if let Some(line) = Main::line(old) {
            tools.retired.push(line);
        }
        self.side = None;
        tools.slots.renew(tools.slot);
    }

    fn connect(&mut self, address: IpAddr, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        let session = match &self.target.transport {
            Transport::Tcp | Transport::Udp => None,
            Transport::Tls {
                server_name,
                verify,
            } => match tools.tls.session(server_name.as_deref(), verify, address) {
                Ok(session) => Some(session),
                Err(text) => {
                    self.pending.push_back(Pending::Failed(text));
                    return Ok(());
                }
            },
        };
        let peer = SocketAddr::new(address, self.target.port);
        let datagrams = self.target.transport == Transport::Udp;
        let token = tools.slots.token(tools.slot, Part::Main);
        match open(peer, datagrams, session, token, tools.poller) {
            Ok(line) => {
                self.main = Main::Line(line);
                Ok(())
            }
            Err(Refusal::Local(text)) => Err(Outcome::Local(text)),
            Err(Refusal::Failed(text)) => self.failed_to_connect(text, tools),
        }
    }

    /// The next address of a name, or the end of it.
    fn failed_to_connect(&mut self, text: String, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        if self.further.is_empty() {
            self.pending.push_back(Pending::Failed(text));
            return Ok(());
        }
        let next = self.further.remove(0);
        self.leave(tools);
        self.connect(next, tools)
    }

    fn main_ready(
        &mut self,
        mut readable: bool,
        mut writable: bool,
        tools: &mut Tools<'_>,
    ) -> Progress {
        let mut reads = 0;
        loop {
            let Main::Line(line) = &mut self.main else {
                return Progress::Going;
            };
            if reads == READS_MAX {
                // What TLS has already decoded is still taken out; the poller will not speak of it again.
                readable = false;
            }
            let connecting = line.is_connecting();
            let generation = tools.slots.token(tools.slot, Part::Main);
            let progress = match line.step(&mut readable, &mut writable, tools.scratch) {
                Step::Idle => return self.settle(tools),
                Step::Connected(local) => self.tell(Event::Connected { local }, tools),
                Step::TlsStarted => self.tell(Event::TlsStarted, tools),
                Step::Data(length) => {
                    reads += 1;
                    let data = tools.scratch.get(..length).unwrap_or_default();
                    self.conversation
                        .handle(Event::Data(data), &mut self.effects);
                    self.settle(tools)
                }
                Step::Closed => self.tell(Event::Closed, tools),
                Step::Failed { text, .. } if connecting => {
                    match self.failed_to_connect(text, tools) {
                        Ok(()) => self.settle(tools),
                        Err(local) => Progress::Over(local),
                    }
                }
                Step::Failed { text, remark } => {
                    self.remark = remark;
                    self.tell(Event::Failed(&text), tools)
                }
            };
            // After a new connection was begun, what the poller said is about the old one.
            if progress != Progress::Going
                || tools.slots.token(tools.slot, Part::Main) != generation
            {
                return progress;
            }
        }
    }

    fn side_ready(
        &mut self,
        mut readable: bool,
        mut writable: bool,
        tools: &mut Tools<'_>,
    ) -> Progress {
        if matches!(self.side, Some(Side::Listening(_))) {
            return self.accept(tools);
        }
        let mut reads = 0;
        loop {
            let Some(Side::Line(line)) = &mut self.side else {
                return Progress::Going;
            };
            if reads == READS_MAX {
                return self.settle(tools);
            }
            let progress = match line.step(&mut readable, &mut writable, tools.scratch) {
                Step::Idle => return self.settle(tools),
                Step::Connected(_) => self.tell(Event::SideConnected, tools),
                Step::TlsStarted => Progress::Going,
                Step::Data(length) => {
                    reads += 1;
                    let data = tools.scratch.get(..length).unwrap_or_default();
                    self.conversation
                        .handle(Event::SideData(data), &mut self.effects);
                    self.settle(tools)
                }
                Step::Closed | Step::Failed { .. } => {
                    self.side = None;
                    self.tell(Event::SideClosed, tools)
                }
            };
            if progress != Progress::Going {
                return progress;
            }
        }
    }

    fn listen(&mut self, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        self.side = None;
        let Main::Line(line) = &self.main else {
            self.pending.push_back(Pending::SideClosed);
            return Ok(());
        };
        let opened = line.listen_beside().and_then(|listener| {
            let token = tools.slots.token(tools.slot, Part::Side);
            tools.poller.add(&listener, token, Interest::Read)?;
            Ok((listener.local_addr()?, listener))
        });
        match opened {
            Ok((address, listener)) => {
                self.side = Some(Side::Listening(listener));
                self.pending.push_back(Pending::SideListening(address));
                Ok(())
            }
            // Nothing here depends on the server.
            Err(error) => Err(Outcome::Local(ha_sys::errno_text(&error))),
        }
    }

    /// Only the server itself may connect.
    fn accept(&mut self, tools: &mut Tools<'_>) -> Progress {
        let (Some(Side::Listening(listener)), Main::Line(main)) = (&self.side, &self.main) else {
            return Progress::Going;
        };
        let (stream, peer) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(_) => return Progress::Going,
        };
        if peer.ip() != main.peer().ip() || stream.set_nonblocking(true).is_err() {
            return Progress::Going;
        }
        let mut line = Line::accepted(stream.into(), peer);
        // The listener gives way to what it has accepted.
        let _ = tools.poller.remove(listener);
        if let Err(error) = line.register(tools.poller, tools.slots.token(tools.slot, Part::Side)) {
            return Progress::Over(Outcome::Local(ha_sys::errno_text(&error)));
        }
        self.side = Some(Side::Line(line));
        self.tell(Event::SideConnected, tools)
    }

    fn connect_side(&mut self, port: u16, tools: &mut Tools<'_>) -> Result<(), Outcome> {
        self.side = None;
        let Main::Line(line) = &self.main else {
            self.pending.push_back(Pending::SideClosed);
            return Ok(());
        };
        let peer = SocketAddr::new(line.peer().ip(), port);
        let token = tools.slots.token(tools.slot, Part::Side);
        match open(peer, false, None, token, tools.poller) {
            Ok(line) => self.side = Some(Side::Line(line)),
            Err(Refusal::Local(text)) => return Err(Outcome::Local(text)),
            Err(Refusal::Failed(_)) => self.pending.push_back(Pending::SideClosed),
        }
        Ok(())
    }
}

impl Main {
    fn line(main: Main) -> Option<Line> {
        match main {
            Main::Line(line) => Some(line),
            Main::None | Main::LookingUp => None,
        }
    }
}

impl Side {
    fn line(side: Option<Side>) -> Option<Line> {
        match side {
            Some(Side::Line(line)) => Some(line),
            Some(Side::Listening(_)) | None => None,
        }
    }
}

fn open(
    peer: SocketAddr,
    datagrams: bool,
    session: Option<Box<rustls::ClientConnection>>,
    token: u64,
    poller: &Poller,
) -> Result<Line, Refusal> {
    let mut line = Line::open(peer, datagrams, session)?;
    line.register(poller, token)
        .map_err(|error| Refusal::from_error(&error))?;
    Ok(line)
}
