//! The I/O thread: the only poll loop. It accepts, reads, routes, sends and looks at the clock, and
//! waits for nothing else.

mod reception;

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use spindle_protocol::error::{Kind, WireError};

use crate::connection::{Closing, Connection, Foreign, Progress};
use crate::endpoint::Endpoint;
use crate::feed::{News, PERIOD};
use crate::frames::{error_frame, news_frames};
use crate::inbox::{Destination, EAGER, Ended};
use crate::intake::Intake;
use crate::keys::{Address, ConnectionKey};
use crate::listeners::Listeners;
use crate::metrics::FrameKind;
use crate::outbox::{Lane, Outgoing, Parcel};
use crate::router::{Next, Phase, Router};
use crate::shared::{ClientStatus, Shared};

/// The poll's token for the listeners, which are asked together.
pub const LISTENER: Token = Token(usize::MAX);

/// The poll's token for wake-ups.
pub const WAKER: Token = Token(usize::MAX - 1);

/// How often the clock is looked at for stalls and forgotten clients. Deadlines of requests have
/// their own, exact, wake-up.
const SWEEP: Duration = Duration::from_millis(250);

const MIB: usize = 1024 * 1024;

/// Output and progress are held back while a client leaves more than this unread: its script must not get it dropped.
/// What many leave unread in all is looked at only where one leaves more.
const FEW_UNREAD_BYTES: usize = MIB;

struct Link {
    connection: Connection<TcpStream>,
    phase: Phase,
}

/// The I/O thread's state.
pub struct Server {
    poll: Poll,
    listener: TcpListener,
    /// For clients of other add-ons, if they are served.
    compat: Option<TcpListener>,
    /// For monitoring programs, if they may ask.
    endpoint: Option<Endpoint>,
    router: Router,
    shared: Arc<Shared>,
    links: HashMap<ConnectionKey, Link>,
    next_key: usize,
    /// Connections that may have more to read, after their turn.
    again: HashSet<ConnectionKey>,
    intake: Intake,
    accept_again: Option<Instant>,
    next_sweep: Instant,
    next_news: Instant,
    /// The last wait ended without an event.
    is_idle: bool,
    scratch: Vec<u8>,
}

impl Server {
    /// A server on bound listeners.
    ///
    /// # Errors
    /// When the poll does not take a listener.
    pub fn new(poll: Poll, listeners: Listeners, router: Router, shared: Arc<Shared>) -> io::Result<Server> {
        let Listeners { clients: mut listener, mut compat, pages } = listeners;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        if let Some(compat) = &mut compat {
            poll.registry().register(compat, LISTENER, Interest::READABLE)?;
        }
        let intake = Intake::new(router.settings.limits.max_receiving_mib as usize * MIB);
        let endpoint = pages.map(|listener| Endpoint::new(listener, poll.registry())).transpose()?;
        Ok(Server {
            poll,
            listener,
            compat,
            endpoint,
            router,
            shared,
            links: HashMap::new(),
            next_key: 0,
            again: HashSet::new(),
            intake,
            accept_again: None,
            next_sweep: Instant::now(),
            next_news: Instant::now(),
            is_idle: true,
            scratch: vec![0; 64 * 1024],
        })
    }

    /// Serve until told to stop, then end the conversations.
    ///
    /// # Errors
    /// When the system's poll fails, which leaves nothing to do but to stop.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let served = self.serve(&mut events);
        let ended = self.end(&mut events);
        self.shared.has_connections.store(false, Ordering::Release);
        served.and(ended)
    }

    fn serve(&mut self, events: &mut Events) -> io::Result<()> {
        while !self.shared.stopping.load(Ordering::Acquire) {
            self.wait(events)?;
            let now = Instant::now();
            for event in &*events {
                self.handle(event, now);
            }
            self.resume_reading(now);
            self.deliver(now);
            self.tell_news(now);
            self.watch_clock(now);
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = Instant::now();
        let is_asked = self.endpoint.as_ref().is_some_and(Endpoint::is_watched);
        let watched = is_asked || !self.links.is_empty() || !self.router.sessions.is_empty();
        let until = [
            Some(self.router.monitor.next_probe()),
            self.router.inbox.next_deadline(),
            self.router.jobs.next_deadline(),
            self.accept_again,
            watched.then_some(self.next_sweep),
            // What runs may have something to tell.
            (!self.router.inbox.is_empty()).then_some(self.next_news),
        ];
        let until = until.into_iter().flatten().min();
        let timeout = if self.again.iter().any(|key| self.intake.admits(*key)) {
            Some(Duration::ZERO)
        } else {
            until.map(|deadline| deadline.saturating_duration_since(now))
        };
        while !self.is_idle && now.elapsed() < EAGER && !self.links.is_empty() {
            poll(&mut self.poll, events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(());
            }
            thread::yield_now();
        }
        poll(&mut self.poll, events, timeout)?;
        self.is_idle = events.is_empty();
        Ok(())
    }

    fn handle(&mut self, event: &Event, now: Instant) {
        match event.token() {
            LISTENER => self.accept(now),
            WAKER => {}
            token if self.endpoint.as_ref().is_some_and(|endpoint| endpoint.owns(token)) => {
                let Server { poll, endpoint: Some(endpoint), router, .. } = self else { return };
                endpoint.handle(token, poll.registry(), |page| router.page(page, now), now);
            }
            Token(number) => {
                let key = ConnectionKey(number);
                if event.is_writable() {
                    self.guarded(key, now, |server| server.send(key, now));
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.guarded(key, now, |server| server.read(key, now));
                }
            }
        }
    }

    /// Do something for one connection; a fault, even a panic of ours, ends that connection only.
    fn guarded(&mut self, key: ConnectionKey, now: Instant, work: impl FnOnce(&mut Server) -> Result<(), Closing>) {
        let done = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or(Err(Closing::Over));
        if done.is_err() {
            self.close(key, now);
        }
    }

    fn read(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        if !self.intake.admits(key) {
            link.connection.put_off(now);
            self.again.insert(key);
            return Ok(());
        }
        // What arrived before the peer closed is still to be heard.
        let received = link.connection.receive(&mut self.scratch, now);
        if matches!(received, Ok(Progress::More)) {
            self.again.insert(key);
        }
        if let Some(foreign) = link.connection.foreign() {
            self.turn_away(key, foreign, now)?;
        } else {
            self.route(key, now)?;
        }
        let Some(link) = self.links.get(&key) else { return Ok(()) };
        self.intake.note(key, link.connection.held());
        match received {
            Err(Closing::Peer) if link.connection.owes() => Ok(()),
            received => received.map(|_| ()),
        }
    }

    /// Hand every whole frame to the router.
    fn route(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        loop {
            let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
            match link.connection.next_frame() {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    self.intake.end(key);
                    let (frames, next) = self.router.message(key, &mut link.phase, frame, now);
                    if next == Next::Welcome {
                        link.connection.authenticated();
                        self.renew_roster();
                    }
                    self.send_all(frames, now);
                    if next == Next::Close {
                        return self.say_goodbye(key, now);
                    }
                }
                Err(error) => {
                    self.router.metrics.refused(error.kind());
                    let error = WireError::new(error.kind(), error.to_string());
                    self.push(key, Lane::Control, error_frame(None, &error), now)?;
                    return self.say_goodbye(key, now);
                }
            }
        }
    }

    fn turn_away(&mut self, key: ConnectionKey, foreign: Foreign, now: Instant) -> Result<(), Closing> {
        self.router.metrics.refused(Kind::ParseError);
        self.push(key, Lane::Control, foreign.answer(), now)?;
        self.say_goodbye(key, now)
    }

    /// Send frames, each on its connection; one that cannot take its frame is closed.
    fn send_all(&mut self, frames: Vec<Outgoing>, now: Instant) {
        for Outgoing { connection, lane, bytes } in frames {
            self.guarded(connection, now, |server| server.push(connection, lane, bytes, now));
        }
    }

    fn push(&mut self, key: ConnectionKey, lane: Lane, bytes: Vec<u8>, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        if let Phase::Open(origin) = &link.phase {
            self.router.sessions.sent(origin.session, bytes.len(), now);
        }
        let kind = match lane {
            Lane::Control => FrameKind::Control,
            Lane::Main => FrameKind::Main,
            Lane::News => FrameKind::Notification,
        };
        self.router.metrics.frame_out(kind, bytes.len());
        link.connection.push(lane, bytes, now)?;
        self.send(key, now)?;
        self.relieve(key, now);
        Ok(())
    }

    /// Where replies that nobody reads take more than all together may, the connection that leaves most is dropped.
    fn relieve(&mut self, pushed: ConnectionKey, now: Instant) {
        let unread = |link: &Link| link.connection.unread();
        if self.links.get(&pushed).is_none_or(|link| unread(link) <= FEW_UNREAD_BYTES) {
            return;
        }
        let total: usize = self.links.values().map(unread).sum();
        if total > self.router.settings.limits.max_all_unread_mib as usize * MIB {
            let worst = self.links.iter().max_by_key(|(_, link)| unread(link)).map(|(key, _)| *key);
            worst.into_iter().for_each(|key| self.close(key, now));
        }
    }

    fn say_goodbye(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        link.connection.close_when_sent(now);
        self.send(key, now)
    }

    fn send(&mut self, key: ConnectionKey, now: Instant) -> Result<(), Closing> {
        let Some(link) = self.links.get_mut(&key) else { return Ok(()) };
        link.connection.send(now)?;
        if link.connection.may_go_on() {
            self.again.insert(key);
        }
        Ok(())
    }

    fn resume_reading(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.again) {
            self.guarded(key, now, |server| server.read(key, now));
        }
    }

    /// Send and keep what other threads have left.
    fn deliver(&mut self, now: Instant) {
        for parcel in self.shared.outbox.take() {
            match parcel {
                Parcel::Frame(frame) => self.send_all(vec![frame], now),
                Parcel::News(job, news) => self.tell(self.router.jobs.waiters(job).to_vec(), &news, now),
                Parcel::Outcome(job, outcome) => {
                    for frame in self.router.jobs.end(job, outcome, now) {
                        self.send_all(vec![frame], now);
                    }
                }
                Parcel::Looked(address, result) => {
                    let frame = self.router.looked(&address, &result);
                    self.send_all(frame.into_iter().collect(), now);
                }
                Parcel::Answer(key, answer) => self.router.cache.keep(key, answer, now),
            }
        }
    }

    /// Tell what running requests have written and how far they have come, to those who read what they are sent.
    fn tell_news(&mut self, now: Instant) {
        if now < self.next_news {
            return;
        }
        self.next_news = now + PERIOD;
        for ticket in self.shared.feed.tickets() {
            let readers = match self.router.inbox.destination(ticket) {
                Some(Destination::Caller(address)) => vec![address],
                Some(Destination::Job(job)) => self.router.jobs.waiters(job).to_vec(),
                Some(Destination::Nobody) => Vec::new(),
                None => {
                    // A thread that a script left behind still reports; nobody can be told any more.
                    self.shared.feed.close(ticket);
                    continue;
                }
            };
            let unread = |connection| self.links.get(connection).map_or(0, |link: &Link| link.connection.unread());
            if readers.iter().any(|address| unread(&address.connection) > FEW_UNREAD_BYTES) {
                continue;
            }
            let news = self.shared.feed.take(ticket);
            self.tell(readers, &news, now);
        }
    }

    fn tell(&mut self, readers: Vec<Address>, news: &News, now: Instant) {
        for address in readers {
            self.send_all(news_frames(&address, news.clone()), now);
        }
    }

    fn answer_ended(&mut self, ended: Vec<Ended>, now: Instant) {
        for ended in ended {
            let frames = self.router.tell(ended, now);
            self.send_all(frames, now);
        }
    }

    fn watch_clock(&mut self, now: Instant) {
        let ended = self.router.inbox.expire(now);
        self.answer_ended(ended, now);
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept(now);
        }
        if now >= self.router.monitor.next_probe() {
            self.router.probe(now);
        }
        if self.router.jobs.next_deadline().is_some_and(|deadline| deadline <= now) {
            let frames = self.router.jobs.watch_clock(now);
            self.send_all(frames, now);
        }
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.check_time(self.poll.registry(), now);
        }
        self.close_lost(now);
        let frames = self.router.watch_clock(now);
        self.send_all(frames, now);
    }

    /// Close connections that stand still.
    fn close_lost(&mut self, now: Instant) {
        let limits = &self.router.settings.limits;
        let (hello, stall, idle) = (limits.hello(), limits.stall(), limits.idle());
        let silent = self.links.iter_mut().filter(|(_, link)| link.connection.is_idle(idle, now));
        for (_, link) in silent.filter(|(key, _)| self.router.has_in_flight(**key)) {
            link.connection.wait_for_answer(now);
        }
        let is_lost = |link: &Link| {
            let is_idle = link.connection.is_idle(idle, now);
            link.phase.is_overdue(hello, now) || link.connection.check_time(stall, now).is_err() || is_idle
        };
        let lost = self.links.iter().filter(|(_, link)| is_lost(link)).map(|(key, _)| *key);
        for key in lost.collect::<Vec<_>>() {
            self.close(key, now);
        }
    }

    fn close(&mut self, key: ConnectionKey, now: Instant) {
        let Some(mut link) = self.links.remove(&key) else { return };
        // Closing the socket takes it off the poll; this only spares the kernel a look-up.
        self.poll.registry().deregister(link.connection.stream()).ok();
        self.again.remove(&key);
        self.intake.end(key);
        self.router.disconnect(key, &link.phase, now);
        self.shared.has_connections.store(!self.links.is_empty(), Ordering::Release);
        if link.phase.is_open() {
            self.renew_roster();
        }
    }

    fn renew_roster(&self) {
        let connected = self.router.sessions.iter().filter(|(_, session)| session.connections > 0);
        let mut roster: Vec<ClientStatus> = connected
            .map(|(key, session)| ClientStatus {
                session: key,
                name: session.client.name.clone(),
                version: session.client.version.clone(),
                connections: session.connections,
            })
            .collect();
        roster.sort_by(|a, b| a.name.cmp(&b.name));
        *self.shared.roster.lock() = roster;
    }

    /// Answer everything that is in flight, and let what is written leave, for a while.
    fn end(&mut self, events: &mut Events) -> io::Result<()> {
        let start = Instant::now();
        self.poll.registry().deregister(&mut self.listener)?;
        self.compat = None;
        self.deliver(start);
        let ended = self.router.inbox.close();
        self.answer_ended(ended, start);
        let frames = self.router.jobs.close();
        self.send_all(frames, start);
        let until = start + self.router.settings.limits.drain();
        loop {
            let now = Instant::now();
            self.hear_all(now);
            self.deliver(now);
            let unsent = self.links.values().any(|link| !link.connection.is_sent());
            if !unsent || now >= until {
                return Ok(());
            }
            poll(&mut self.poll, events, Some(until - now))?;
            for event in events.iter().filter(|event| event.is_writable()) {
                let key = ConnectionKey(event.token().0);
                self.guarded(key, now, |server| server.send(key, now));
            }
        }
    }

    /// Read and answer what has come in so far. A socket that is closed on something unread resets its connection, and
    /// the reset overtakes what was sent.
    fn hear_all(&mut self, now: Instant) {
        for key in self.links.keys().copied().collect::<Vec<_>>() {
            self.guarded(key, now, |server| server.read(key, now));
        }
    }
}

/// Poll; a signal is like a time-out.
fn poll(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result,
    }
}
