//! Every limit that a user may set, in one table: what it bounds, its range, and why it is what it is
//! unless somebody sets it. The preferences page, `spindle limits`, docs/limits.md and the checks all
//! read this table.

use std::time::Duration;

use serde_json::Value;

/// A limit that counts.
pub type Whole = u32;

/// A limit of time, in seconds.
pub type Seconds = f64;

/// How long something is kept, in seconds. Values outside `ttl_least_s` to `ttl_most_s` are clamped.
pub type Ttl = f64;

/// What a limit's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Whole,
    /// Seconds, with a fraction.
    Seconds,
    /// Seconds that something is kept; clamped rather than refused (BUG-006).
    Ttl,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// The limit's name, also the setting's.
    pub name: &'static str,
    /// The heading that it stands under.
    pub group: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What it is unless somebody sets it.
    pub default: f64,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
    /// What it counts: requests, MiB, s.
    pub unit: &'static str,
    /// What it limits.
    pub summary: &'static str,
    /// Why the default and the range are what they are.
    pub reason: &'static str,
    get: fn(&Limits) -> f64,
    set: fn(&mut Limits, f64),
}

macro_rules! limits {
    ($($group:literal {$(
        $(#[doc = $summary:literal])+
        $name:ident: $kind:ident = $default:literal in $least:literal..=$most:literal $unit:literal, $reason:literal;
    )+})+) => {
        /// The limits of one server.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Limits { $($(
            $(#[doc = $summary])+
            #[doc = ""]
            #[doc = $reason]
            pub $name: $kind,
        )+)+ }

        impl Default for Limits {
            fn default() -> Limits {
                Limits { $($($name: $default,)+)+ }
            }
        }

        /// All limits, in the order of the documentation.
        pub static TABLE: &[Row] = &[$($(Row {
            name: stringify!($name),
            group: $group,
            kind: Kind::$kind,
            default: $default as f64,
            least: $least as f64,
            most: $most as f64,
            unit: $unit,
            summary: concat!($($summary),+).trim_ascii(),
            reason: $reason,
            get: |limits| f64::from(limits.$name),
            set: |limits, value| limits.$name = value as $kind,
        },)+)+];
    };
}

limits! {
    "Connections" {
        /// Connections at once, whether they have said hello or not.
        max_connections: Whole = 128 in 1..=10_000 "connections",
            "Desktop systems allow a process 1,024 files (Linux) or 256 (macOS), and 128 are always left to Blender.";
        /// Clients remembered at once, connected or lately so; at least as many as connections.
        max_sessions: Whole = 1_000 in 1..=100_000 "clients",
            "A pipeline that starts a process for each file leaves hundreds behind within their TTL; each takes 2 KiB at most.";
        /// Replies that one connection may leave unread; beyond, it is dropped.
        max_unread_mib: Whole = 128 in 73..=4_096 "MiB",
            "One largest reply takes 73 MiB and must always fit; a reader that is this far behind will not catch up.";
        /// Replies that all connections together may leave unread; beyond, the one that leaves most is dropped.
        max_all_unread_mib: Whole = 1_024 in 73..=65_536 "MiB",
            "Eight connections as far behind as one may be; without it, all of 128 could take 16 GiB.";
        /// Frames above 64 KiB that have come in part, over all connections; beyond, only the oldest is read on.
        max_receiving_mib: Whole = 512 in 1..=65_536 "MiB",
            "Seven of the largest, as many as may wait; the others wait at their senders, and none is refused.";
        /// Time from accepting a connection to its hello.
        hello_s: Seconds = 5.0 in 0.1..=60.0 "s",
            "A hello takes milliseconds on one machine; a stranger must not hold a connection for long.";
        /// Time without a byte in the middle of a frame, either way, after which the connection is dropped.
        stall_s: Seconds = 30.0 in 0.1..=3_600.0 "s",
            "Each byte starts it anew, so that only a peer that is stuck runs into it; a suspended laptop may.";
        /// Time without any byte and with nothing in flight after which a connection is closed.
        idle_s: Seconds = 86_400.0 in 1.0..=31_536_000.0 "s",
            "A tool that an artist leaves open over night is honest; a day without a word is a leak.";
        /// How long a client without jobs is remembered after its last connection.
        session_ttl_s: Ttl = 300.0 in 0.0..=31_536_000.0 "s",
            "Enough to come back after a crash or a change of network, with the same jobs and idempotency keys.";
    }
    "Other Add-ons' Clients" {
        /// One message on the compatibility listener.
        compat_message_mib: Whole = 50 in 1..=64 "MiB",
            "What the largest of those clients allow themselves; a peer that never completes a message costs no more.";
        /// Consecutive reads of less than 512 bytes there without a complete message, after which the connection is closed.
        compat_small_reads: Whole = 1_000 in 10..=1_000_000 "reads",
            "A large message comes in reads of many kilobytes; only one that drips in comes in so many small ones.";
    }
    "Requests" {
        /// Requests that wait, over all clients.
        max_queued: Whole = 4_096 in 1..=100_000 "requests",
            "A quarter of a second of small requests at the measured 17,000 a second; a longer queue only adds delay.";
        /// Parameters and blobs of all requests that wait.
        max_queued_mib: Whole = 512 in 73..=16_384 "MiB",
            "One largest request takes 73 MiB and must always fit; seven of them do.";
        /// Requests of one connection that are not answered.
        max_in_flight: Whole = 1_024 in 1..=100_000 "requests",
            "Pipelining gains nothing beyond a few dozen; a quarter of the queue leaves room for others.";
        /// Requests of one client, over all its connections, that are not answered.
        max_session_in_flight: Whole = 2_048 in 1..=100_000 "requests",
            "Two connections may be full at once; more connections give one client no more.";
        /// Requests of one client that wait.
        max_session_queued: Whole = 2_048 in 1..=100_000 "requests",
            "Half the queue, so that a flooding client alone never makes it refuse another.";
        /// Time after which a script that names no deadline is due.
        script_deadline_s: Seconds = 180.0 in 0.001..=86_400.0 "s",
            "Longer than an interactive edit takes, and short enough that an endless loop ends while somebody waits.";
        /// How long a stopping server waits for replies to leave.
        drain_s: Seconds = 1.0 in 0.0..=60.0 "s",
            "A reply of 73 MiB leaves in a tenth of that on one machine; Blender's exit must not be held up.";
    }
    "Scripts" {
        /// Size of one script.
        max_script_bytes: Whole = 100_000 in 1..=262_144 "bytes",
            "Checked in about 5 ms, and longer than what people or agents write; data belongs in `args` or in the blob.";
        /// How long the user has to decide about a script; then it is refused.
        ask_timeout_s: Seconds = 60.0 in 0.1..=3_600.0 "s",
            "Enough to read a page of Python, and a third of a script's usual deadline, so that it can still run.";
        /// Scripts that may wait for the user's decision at once.
        max_asking: Whole = 16 in 1..=1_000 "scripts",
            "More than anybody decides about with care; a client that floods the list is told to wait.";
        /// Scripts whose check is remembered.
        max_verdicts: Whole = 500 in 2..=100_000 "scripts",
            "Tools send the same few again and again; 1 KiB each as a rule, 64 KiB at most.";
        /// Copies of the open file that are saved before scripts and kept.
        max_checkpoints: Whole = 10 in 1..=1_000 "files",
            "A session's last steps; each is as large as the file, and the oldest makes room.";
    }
    "Rates of One Client" {
        /// Requests in a minute; the first minute's worth may come at once.
        requests_per_minute: Whole = 6_000_000 in 1..=100_000_000 "requests",
            "100,000 a second: twice what one client without a pause was measured at (pings; scripts make 20,000).";
        /// Bytes received in a minute.
        in_mib_per_minute: Whole = 1_048_576 in 73..=16_777_216 "MiB",
            "1 TiB, more than loopback carries: off in effect. At least one largest frame, 73 MiB.";
        /// Bytes sent in a minute.
        out_mib_per_minute: Whole = 1_048_576 in 73..=16_777_216 "MiB",
            "1 TiB, more than loopback carries: off in effect. At least one largest frame, 73 MiB.";
    }
    "Kept Results" {
        /// Jobs, and outcomes of requests with an idempotency key, that are kept for one client.
        max_session_kept: Whole = 100 in 1..=10_000 "outcomes",
            "A client that loses its connection asks for the last few; the oldest finished one makes room.";
        /// Outcomes that are kept for all clients together.
        max_kept_mib: Whole = 256 in 73..=16_384 "MiB",
            "Three of the largest, 73 MiB each, or all of a thousand usual ones; the oldest make room.";
        /// How long a finished job or outcome is kept.
        job_ttl_s: Ttl = 600.0 in 0.0..=31_536_000.0 "s",
            "Twice as long as a client is remembered, so that it never ends before the client is forgotten.";
        /// Answers of read-only methods that are kept.
        max_cached: Whole = 1_000 in 1..=100_000 "answers",
            "More than the objects that a panel or an agent asks for again and again.";
        /// Kept answers of read-only methods, all together; 0 keeps none.
        max_cache_mib: Whole = 64 in 0..=4_096 "MiB",
            "A description of a scene is some KiB; pictures are larger, and seldom asked for twice.";
        /// How long an answer of a read-only method is kept.
        cache_ttl_s: Ttl = 300.0 in 0.0..=31_536_000.0 "s",
            "Longer than most renders, which is when kept answers serve; no request gets one that it does not allow.";
        /// The shortest that anything is kept: shorter TTLs are raised to it.
        ttl_least_s: Seconds = 1.0 in 0.001..=86_400.0 "s",
            "Below a second a kept answer would be gone before it can be asked for.";
        /// The longest that anything is kept: longer TTLs are lowered to it.
        ttl_most_s: Seconds = 86_400.0 in 1.0..=31_536_000.0 "s",
            "A day: what is older belongs in a file.";
    }
    "Observation" {
        /// Time without asking for work after which Blender's main thread counts as blocked, if no request keeps it.
        blocked_after_s: Seconds = 10.0 in 0.1..=3_600.0 "s",
            "A redraw or a save may take seconds; who waits for longer wants to know that it is not their request.";
        /// How often the server looks whether Blender's main thread still takes requests.
        health_interval_s: Seconds = 5.0 in 0.1..=60.0 "s",
            "Three failures in a row raise the alarm: some 20 s after a blocked Blender last asked for work.";
        /// Waiting requests above which the queue's alert is raised.
        alert_queue_depth: Whole = 10 in 1..=100_000 "requests",
            "Requests are served in a fraction of a millisecond, so ten that wait mean that something is slow.";
        /// Samples of durations that are kept for percentiles, oldest out first.
        max_samples: Whole = 100_000 in 1_000..=10_000_000 "samples",
            "Five seconds at full speed, hours at an artist's; 24 bytes each.";
        /// Size at which the request log starts a new file.
        log_mib: Whole = 16 in 1..=1_024 "MiB",
            "Some 60,000 requests, still quick to search by eye or by grep.";
        /// Files that the request log keeps, the current one included.
        log_files: Whole = 8 in 1..=1_000 "files",
            "128 MiB at most by default: weeks of interactive work, and no disk is filled.";
    }
}

impl Row {
    /// The limit with this name.
    pub fn find(name: &str) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.name == name)
    }

    /// Its value.
    pub fn get(&self, limits: &Limits) -> f64 {
        (self.get)(limits)
    }

    /// Give it a value.
    ///
    /// # Errors
    /// What is allowed, when the value is out of range; the limit stays as it was.
    pub fn set(&self, limits: &mut Limits, value: f64) -> Result<(), String> {
        self.check(value)?;
        (self.set)(limits, value);
        Ok(())
    }

    /// Read a value of the right type, without regard to its range.
    ///
    /// # Errors
    /// What is allowed, when the type is wrong.
    pub fn read(&self, value: &Value) -> Result<f64, String> {
        let fits = value.is_i64() || value.is_u64() || (self.kind != Kind::Whole && value.is_f64());
        value.as_f64().filter(|_| fits).ok_or_else(|| self.allowed())
    }

    fn check(&self, value: f64) -> Result<(), String> {
        let whole = self.kind != Kind::Whole || value.fract() == 0.0;
        if whole && (self.least..=self.most).contains(&value) { Ok(()) } else { Err(self.allowed()) }
    }

    fn allowed(&self) -> String {
        let kind = if self.kind == Kind::Whole { "a whole number" } else { "a number" };
        format!("allowed is {kind} from {} to {} ({})", self.least, self.most, self.unit)
    }
}

/// Limits of which the first may not be above the second.
pub const ORDERED: &[(&str, &str)] = &[
    ("max_connections", "max_sessions"),
    ("max_unread_mib", "max_all_unread_mib"),
    ("max_in_flight", "max_session_in_flight"),
    ("max_session_queued", "max_queued"),
    ("ttl_least_s", "ttl_most_s"),
];

impl Limits {
    /// Check every limit's range and how they relate.
    ///
    /// # Errors
    /// The first limit that cannot be what it is, and what is allowed.
    pub fn check(&self) -> Result<(), (&'static Row, String)> {
        for row in TABLE {
            row.check(row.get(self)).map_err(|allowed| (row, allowed))?;
        }
        for (lower, upper) in ORDERED {
            let [lower, upper] = [lower, upper].map(|name| Row::find(name).expect("the names are rows of the table"));
            let most = upper.get(self);
            if lower.get(self) > most {
                return Err((lower, format!("it must be at most {}, which is {most}", upper.name)));
            }
        }
        Ok(())
    }

    /// A time to keep something, clamped to `ttl_least_s` and `ttl_most_s`, and whether it had to be
    /// (BUG-006). Any number will do; what is none counts as the least.
    pub fn ttl(&self, seconds: f64) -> (Duration, bool) {
        let clamped = seconds.max(self.ttl_least_s).min(self.ttl_most_s);
        (Duration::from_secs_f64(clamped), clamped != seconds)
    }

    /// `hello_s` as a duration.
    pub fn hello(&self) -> Duration {
        Duration::from_secs_f64(self.hello_s)
    }

    /// `stall_s` as a duration.
    pub fn stall(&self) -> Duration {
        Duration::from_secs_f64(self.stall_s)
    }

    /// `idle_s` as a duration.
    pub fn idle(&self) -> Duration {
        Duration::from_secs_f64(self.idle_s)
    }

    /// `session_ttl_s`, clamped.
    pub fn session_ttl(&self) -> Duration {
        self.ttl(self.session_ttl_s).0
    }

    /// `job_ttl_s`, clamped.
    pub fn job_ttl(&self) -> Duration {
        self.ttl(self.job_ttl_s).0
    }

    /// `cache_ttl_s`, clamped.
    pub fn cache_ttl(&self) -> Duration {
        self.ttl(self.cache_ttl_s).0
    }

    /// `script_deadline_s` as a duration.
    pub fn script_deadline(&self) -> Duration {
        Duration::from_secs_f64(self.script_deadline_s)
    }

    /// `ask_timeout_s` as a duration.
    pub fn ask_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.ask_timeout_s)
    }

    /// `drain_s` as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs_f64(self.drain_s)
    }

    /// `blocked_after_s` as a duration.
    pub fn blocked_after(&self) -> Duration {
        Duration::from_secs_f64(self.blocked_after_s)
    }

    /// `health_interval_s` as a duration.
    pub fn health_interval(&self) -> Duration {
        Duration::from_secs_f64(self.health_interval_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use spindle_protocol::limits::{BLOB_BYTES, HEADER_BYTES, JSON_BYTES};

    use super::*;

    /// BUG-007: the table is sound in itself, and in the single precision of Blender's properties.
    #[test]
    fn the_table_is_sound() {
        Limits::default().check().expect("the defaults");
        let largest = HEADER_BYTES as u64 + u64::from(JSON_BYTES) + u64::from(BLOB_BYTES);
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{} twice", row.name);
            assert_eq!(row.get(&Limits::default()), row.default, "{}", row.name);
            assert!(row.summary.ends_with('.') && row.reason.ends_with('.'), "{}", row.name);
            let shown = |value: f64| f64::from(value as f32);
            let range = row.least..=row.most;
            assert!([row.least, row.most, row.default].map(shown).iter().all(|value| range.contains(value)));
            assert!(row.most <= f64::from(i32::MAX), "{}: Blender's whole numbers have 32 bits", row.name);
            let takes_frames = ["max_unread_mib", "max_queued_mib", "in_mib_per_minute", "out_mib_per_minute"];
            if takes_frames.contains(&row.name) {
                assert!(row.least as u64 * 1024 * 1024 >= largest, "{}: one largest frame fits", row.name);
            }
        }
    }

    /// BUG-007: every limit can be set to the ends of its range and no further.
    #[test]
    fn every_limit_keeps_to_its_range() {
        for row in TABLE {
            let mut limits = Limits::default();
            for value in [row.least, row.most] {
                row.set(&mut limits, value).expect(row.name);
                assert_eq!(row.get(&limits), value, "{}", row.name);
            }
            for value in [row.least - 1e-3, row.most + 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                row.set(&mut limits, value).expect_err(row.name);
                assert_eq!(row.get(&limits), row.most, "{}: a refused value leaves it alone", row.name);
            }
        }
    }

    /// BUG-006: every TTL is clamped, and says so.
    #[test]
    fn ttls() {
        let limits = Limits { ttl_least_s: 2.0, ttl_most_s: 100.0, ..Limits::default() };
        let rows = [
            (2.0, 2.0, false),
            (99.5, 99.5, false),
            (100.0, 100.0, false),
            (1.999, 2.0, true),
            (0.0, 2.0, true),
            (-1.0, 2.0, true),
            (-0.0, 2.0, true),
            (f64::NAN, 2.0, true),
            (f64::NEG_INFINITY, 2.0, true),
            (f64::MIN_POSITIVE, 2.0, true),
            (100.1, 100.0, true),
            (f64::MAX, 100.0, true),
            (f64::INFINITY, 100.0, true),
        ];
        for (given, seconds, capped) in rows {
            assert_eq!(limits.ttl(given), (Duration::from_secs_f64(seconds), capped), "{given}");
        }
        let short = Limits { session_ttl_s: 0.0, cache_ttl_s: 1e9, ..limits };
        assert_eq!(short.session_ttl(), Duration::from_secs(2));
        assert_eq!(short.cache_ttl(), Duration::from_secs(100));
    }

    proptest! {
        /// BUG-006: no number makes a TTL overflow, panic or leave its bounds.
        #[test]
        fn ttl_takes_any_number(bits: u64) {
            let (ttl, capped) = Limits::default().ttl(f64::from_bits(bits));
            prop_assert!((Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&ttl));
            prop_assert_eq!(!capped, (1.0..=86_400.0).contains(&f64::from_bits(bits)));
        }
    }
}
