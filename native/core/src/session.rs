//! The records of the clients: each outlives its connections for a while, and all together are bounded.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::hello::ClientInfo;

use crate::bucket::Bucket;
use crate::keys::SessionKey;
use crate::limits::{Limits, Row};

/// The server's record of a client.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who it is.
    pub client: ClientInfo,
    /// Its connections now.
    pub connections: usize,
    /// Its requests that were within its budget, since the session began.
    pub requests: u64,
    budget: Budget,
    /// When the last connection closed; meaningless while there are some.
    idle_since: Instant,
}

/// What a client may use in a minute. It lives as long as the client's session, so that a client
/// that connects anew has no new budget, and none is left behind (BUG-010).
#[derive(Clone, Debug)]
struct Budget {
    requests: Bucket,
    bytes_in: Bucket,
    bytes_out: Bucket,
}

impl Budget {
    fn new(limits: &Limits, now: Instant) -> Budget {
        let bytes = |mebibytes| u64::from(mebibytes) * 1024 * 1024;
        Budget {
            requests: Bucket::per_minute(limits.requests_per_minute.into(), now),
            bytes_in: Bucket::per_minute(bytes(limits.in_mib_per_minute), now),
            bytes_out: Bucket::per_minute(bytes(limits.out_mib_per_minute), now),
        }
    }

    /// Pay for a request of so many bytes, or learn which setting is in the way, and how long; nothing
    /// is paid then. What was sent is paid already, but a debt must be repaid first.
    fn spend(&mut self, bytes: u64, now: Instant) -> Result<(), (&'static str, Duration)> {
        let waits = [
            ("requests_per_minute", self.requests.wait(1, now)),
            ("in_mib_per_minute", self.bytes_in.wait(bytes, now)),
            ("out_mib_per_minute", self.bytes_out.wait(0, now)),
        ];
        let longest = waits.into_iter().max_by_key(|(_, wait)| *wait);
        if let Some(refusal) = longest.filter(|(_, wait)| !wait.is_zero()) {
            return Err(refusal);
        }
        self.requests.charge(1, now);
        self.bytes_in.charge(bytes, now);
        Ok(())
    }
}

/// All sessions, bounded (SESSION_STORE).
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    next: u64,
    by_client: HashMap<String, SessionKey>,
    records: HashMap<SessionKey, Session>,
    /// The sessions without a connection, and since when.
    idle: BTreeSet<(Instant, SessionKey)>,
    forgotten: Vec<SessionKey>,
    underflows: u64,
}

impl Sessions {
    /// No sessions, and room for `max_sessions`.
    pub fn new(limits: &Limits) -> Sessions {
        Sessions {
            limits: limits.clone(),
            next: 0,
            by_client: HashMap::new(),
            records: HashMap::new(),
            idle: BTreeSet::new(),
            forgotten: Vec::new(),
            underflows: 0,
        }
    }

    /// A client connects: its session goes on, or a new one begins.
    ///
    /// # Errors
    /// `too_many_connections` when there is no room, and no disconnected client to forget.
    pub fn join(&mut self, client: ClientInfo, now: Instant) -> Result<SessionKey, WireError> {
        let known = self.by_client.get(&client.id).copied();
        if let Some((key, session)) = known.and_then(|key| Some((key, self.records.get_mut(&key)?))) {
            self.idle.remove(&(session.idle_since, key));
            session.connections += 1;
            session.client = client;
            return Ok(key);
        }
        self.make_room()?;
        let key = SessionKey(self.next);
        self.next += 1;
        self.by_client.insert(client.id.clone(), key);
        let budget = Budget::new(&self.limits, now);
        self.records.insert(key, Session { client, connections: 1, requests: 0, budget, idle_since: now });
        Ok(key)
    }

    /// One connection of a session has closed.
    pub fn leave(&mut self, key: SessionKey, now: Instant) {
        let Some(session) = self.records.get_mut(&key) else { return };
        let Some(left) = session.connections.checked_sub(1) else {
            self.underflows += 1;
            return;
        };
        session.connections = left;
        if left == 0 {
            session.idle_since = now;
            self.idle.insert((now, key));
        }
    }

    /// A request of so many bytes has come: pay for it from the client's budget.
    ///
    /// # Errors
    /// `rate_limited`, when the budget has not enough left; nothing is paid.
    pub fn spend(&mut self, key: SessionKey, bytes_in: usize, now: Instant) -> Result<(), WireError> {
        let Some(session) = self.records.get_mut(&key) else { return Ok(()) };
        let paid = session.budget.spend(bytes_in as u64, now);
        paid.map_err(|(setting, wait)| rate_limited(&self.limits, setting, wait))?;
        session.requests += 1;
        Ok(())
    }

    /// So many bytes are sent to a client. They are paid in any case, as an answer is owed; a debt
    /// keeps further requests out for a while.
    pub fn sent(&mut self, key: SessionKey, bytes_out: usize, now: Instant) {
        if let Some(session) = self.records.get_mut(&key) {
            session.budget.bytes_out.charge(bytes_out as u64, now);
        }
    }

    /// Forget clients that have been gone for longer than `session_ttl_s`, but for those that `has_jobs`: what was
    /// detached is to be there when they come back. Their time begins anew.
    pub fn expire(&mut self, has_jobs: impl Fn(SessionKey) -> bool, now: Instant) {
        let ttl = self.limits.session_ttl();
        while let Some((since, key)) = self.idle.first().copied()
            && now.saturating_duration_since(since) >= ttl
        {
            if !has_jobs(key) {
                self.forget(key);
            } else if let Some(session) = self.records.get_mut(&key) {
                self.idle.remove(&(since, key));
                session.idle_since = now;
                self.idle.insert((now, key));
            }
        }
    }

    /// The sessions that were forgotten since the last call, to make room or for their age.
    pub fn take_forgotten(&mut self) -> Vec<SessionKey> {
        std::mem::take(&mut self.forgotten)
    }

    /// The record of a session.
    pub fn get(&self, key: SessionKey) -> Option<&Session> {
        self.records.get(&key)
    }

    /// All records, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SessionKey, &Session)> {
        self.records.iter().map(|(key, session)| (*key, session))
    }

    /// How many clients are remembered.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no client is remembered.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How often a connection left a session that had none; anything but 0 is a fault of ours.
    pub fn underflows(&self) -> u64 {
        self.underflows
    }

    /// Where there is no room, forget the oldest tenth of the disconnected sessions: a crowd of
    /// newcomers then need not make room one by one.
    fn make_room(&mut self) -> Result<(), WireError> {
        let most = self.limits.max_sessions;
        if self.records.len() < most as usize {
            return Ok(());
        }
        if self.idle.is_empty() {
            let text = format!("{most} clients are connected, the setting max_sessions; close one, or raise it");
            let error = WireError::new(Kind::TooManyConnections, text);
            // Nobody knows when one will close.
            return Err(error.with("limit", most).with("setting", "max_sessions").with("retry_after_ms", 1000));
        }
        let tenth = self.idle.len().div_ceil(10);
        let oldest: Vec<SessionKey> = self.idle.iter().take(tenth).map(|(_, key)| *key).collect();
        for key in oldest {
            self.forget(key);
        }
        Ok(())
    }

    fn forget(&mut self, key: SessionKey) {
        if let Some(session) = self.records.remove(&key) {
            self.by_client.remove(&session.client.id);
            self.idle.remove(&(session.idle_since, key));
            self.forgotten.push(key);
        }
    }
}

fn rate_limited(limits: &Limits, setting: &str, wait: Duration) -> WireError {
    let limit = Row::find(setting).expect("it is a row of the table").get(limits) as u64;
    let retry_after_ms =
        u64::try_from(wait.as_nanos().div_ceil(1_000_000)).expect("a bucket's wait is two minutes at most");
    let text = format!("this client has used up its {setting}, which is {limit}; try again in {retry_after_ms} ms");
    let error = WireError::new(Kind::RateLimited, text);
    error.with("limit", limit).with("setting", setting).with("retry_after_ms", retry_after_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: impl ToString) -> ClientInfo {
        ClientInfo { id: id.to_string(), name: "test".to_owned(), version: "1".to_owned() }
    }

    fn sessions(change: impl FnOnce(&mut Limits)) -> (Sessions, Instant) {
        let mut limits = Limits::default();
        change(&mut limits);
        (Sessions::new(&limits), Instant::now())
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn sessions_outlive_connections() {
        let (mut sessions, start) = sessions(|limits| limits.session_ttl_s = 300.0);
        let a = sessions.join(client("a"), start).expect("room");
        assert_eq!(sessions.join(client("a"), start).expect("the same"), a);
        sessions.leave(a, start);
        sessions.expire(|_| false, start + seconds(1_000));
        assert_eq!(sessions.get(a).expect("one connection is left").connections, 1);
        sessions.leave(a, start + seconds(1_000));
        sessions.expire(|_| false, start + seconds(1_299));
        assert_eq!(sessions.join(client("a"), start + seconds(1_299)).expect("in time"), a);
        sessions.leave(a, start + seconds(1_300));
        sessions.expire(|_| false, start + seconds(1_600));
        assert!(sessions.is_empty() && sessions.idle.is_empty() && sessions.by_client.is_empty());
        assert_eq!((sessions.take_forgotten(), sessions.take_forgotten()), (vec![a], vec![]));
        assert_ne!(sessions.join(client("a"), start).expect("room"), a, "keys are never used again");
    }

    /// SESSION_STORE: when full, the oldest tenth of the disconnected sessions goes, one at least; where
    /// all are live the new one is refused.
    #[test]
    fn a_full_store() {
        // Of so many disconnected sessions, so many go.
        for (idle, gone) in [(0, 0), (1, 1), (9, 1), (10, 1), (11, 2), (95, 10), (100, 10)] {
            let (mut sessions, start) = sessions(|limits| limits.max_sessions = 100);
            let keys: Vec<_> = (0..100).map(|id| sessions.join(client(id), start).expect("room")).collect();
            // The last to come is the first to leave, so that age is not the order of arrival.
            for (time, key) in keys.iter().rev().take(idle).enumerate() {
                sessions.leave(*key, start + seconds(time as u64));
            }
            let newcomer = sessions.join(client("new"), start + seconds(200));
            let oldest: Vec<_> = keys.iter().rev().take(gone).copied().collect();
            assert_eq!(sessions.take_forgotten(), oldest);
            assert_eq!(sessions.len(), 100 - gone + usize::from(gone > 0));
            if let Err(error) = newcomer {
                assert_eq!(
                    (gone, error.data.kind, &error.data.details["limit"]),
                    (0, Kind::TooManyConnections, &100.into())
                );
                assert_eq!(sessions.join(client(7), start).expect("it is known"), keys[7]);
            }
        }
    }

    /// SESSION_STORE: a look for stale sessions costs the same however many there are.
    #[test]
    fn stale_sessions_are_found_without_a_scan() {
        let (mut sessions, start) = sessions(|limits| limits.max_sessions = 100_000);
        for id in 0..100_000 {
            let key = sessions.join(client(id), start).expect("room");
            sessions.leave(key, start);
        }
        let begun = Instant::now();
        for _ in 0..10_000 {
            sessions.expire(|_| false, start + seconds(1));
        }
        assert!(begun.elapsed() < seconds(2), "a scan takes a thousand times as long: {:?}", begun.elapsed());
        sessions.expire(|_| false, start + seconds(300));
        assert!(sessions.is_empty());
    }

    /// BUG-004: each budget is enforced, and the refusal names the limit, its value and the wait.
    #[test]
    fn budgets() {
        const MIB: usize = 1024 * 1024;
        type Change = fn(&mut Limits);
        /// The setting, its value, and the milliseconds to wait.
        type Refusal = Option<(&'static str, u64, u64)>;
        // The second of two requests of so many bytes, with so many bytes sent in between.
        let rows: [(Change, usize, usize, Refusal); 5] = [
            (|_| {}, 73 * MIB, 73 * MIB, None),
            (|limits| limits.requests_per_minute = 1, 0, 0, Some(("requests_per_minute", 1, 60_000))),
            (|limits| limits.in_mib_per_minute = 100, 60 * MIB, 0, Some(("in_mib_per_minute", 100, 12_000))),
            (|limits| limits.out_mib_per_minute = 100, 0, 100 * MIB, None),
            (|limits| limits.out_mib_per_minute = 100, 0, 150 * MIB, Some(("out_mib_per_minute", 100, 30_000))),
        ];
        for (change, bytes_in, bytes_out, expected) in rows {
            let (mut sessions, start) = sessions(change);
            let (key, other) = (sessions.join(client("a"), start), sessions.join(client("b"), start));
            let (key, other) = (key.expect("room"), other.expect("room"));
            sessions.spend(key, bytes_in, start).expect("the budget is full");
            sessions.sent(key, bytes_out / 2, start);
            sessions.sent(key, bytes_out / 2, start);
            let refused = sessions.spend(key, bytes_in, start).err();
            assert_eq!(sessions.get(key).expect("there").requests, 1 + u64::from(refused.is_none()));
            sessions.spend(other, bytes_in, start).expect("each has its own");
            let Some((setting, limit, wait)) = expected else {
                assert_eq!(refused, None);
                continue;
            };
            let error = refused.expect(setting);
            let details = &error.data.details;
            assert_eq!((error.data.kind, error.data.retryable), (Kind::RateLimited, true));
            assert_eq!((&details["setting"], &details["retry_after_ms"]), (&setting.into(), &wait.into()));
            assert_eq!(details["limit"].as_u64(), Some(limit));
            for part in [setting, &format!("which is {limit}"), &format!("in {wait} ms")] {
                assert!(error.message.contains(part), "{error}");
            }
            let before = start + Duration::from_millis(wait - 1);
            sessions.spend(key, bytes_in, before).expect_err("too early");
            sessions.spend(key, bytes_in, before + Duration::from_millis(1)).expect("when it says");
        }
    }

    /// BUG-010: a budget lives and dies with its session, and connections are never counted below zero.
    #[test]
    fn budgets_outlive_connections_and_die_with_sessions() {
        let (mut sessions, start) = sessions(|limits| limits.requests_per_minute = 1);
        let a = sessions.join(client("a"), start).expect("room");
        sessions.spend(a, 0, start).expect("a full bucket");
        sessions.leave(a, start);
        assert_eq!(sessions.join(client("a"), start).expect("known"), a);
        sessions.spend(a, 0, start).expect_err("connecting anew brings nothing");
        for underflows in [0, 1, 2] {
            sessions.leave(a, start);
            assert_eq!((sessions.get(a).expect("there").connections, sessions.underflows()), (0, underflows));
        }
        sessions.expire(|_| false, start + seconds(300));
        assert!(sessions.is_empty(), "a session has the only reference to its budget");
        sessions.spend(a, 0, start).expect("a session that is gone owes nothing");
        sessions.sent(a, 1, start);
        sessions.leave(a, start);
        assert!(sessions.is_empty() && sessions.idle.is_empty());
    }
}
