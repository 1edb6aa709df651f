//! What a user may choose. Every setting has a range, and all are checked together before anything
//! starts (BUG-007).

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// The settings of one server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The TCP port to prefer; 0 lets the system choose. When it is taken, the system chooses too,
    /// since clients find the server by its instance file.
    pub port: u16,
    /// Connections at once. Blender keeps 128 descriptors of this process for itself.
    pub max_connections: u32,
    /// Clients remembered at once, connected or lately so.
    pub max_sessions: u32,
    /// Requests that wait, over all sessions.
    pub max_queued: u32,
    /// Requests in flight of one connection.
    pub max_in_flight: u32,
    /// JSON and blob bytes of all waiting requests, in MiB.
    pub max_queued_mib: u32,
    /// Bytes of replies that one client may leave unread, in MiB; beyond, it is dropped. Room for
    /// one largest reply at least.
    pub max_unread_mib: u32,
    /// Seconds without a byte of progress in mid-frame, or in a reply being sent, before the
    /// connection is dropped.
    pub stall_s: f64,
    /// Seconds that a client is remembered after its last connection.
    pub session_ttl_s: f64,
    /// Seconds after which a script that names no deadline is due.
    pub script_deadline_s: f64,
    /// Seconds that stopping waits for replies to leave.
    pub drain_s: f64,
    /// Whether the process's soft descriptor limit may be raised to fit `max_connections`.
    pub raise_descriptor_limit: bool,
    /// Where the instance file goes; the user's runtime folder when absent.
    pub runtime_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            // Above the registered ports in common use, below the ephemeral range; not 9876, which
            // at least six incompatible add-ons use.
            port: 27182,
            max_connections: 128,
            max_sessions: 1000,
            max_queued: 4096,
            max_in_flight: 1024,
            max_queued_mib: 512,
            max_unread_mib: 128,
            stall_s: 30.0,
            session_ttl_s: 300.0,
            script_deadline_s: 180.0,
            drain_s: 1.0,
            raise_descriptor_limit: false,
            runtime_dir: None,
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
#[error("the setting {key} is {value}; {allowed}")]
pub struct SettingsError {
    /// Its name.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What it may be.
    pub allowed: String,
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), SettingsError> {
    if range.contains(&value) {
        return Ok(());
    }
    let allowed = format!("the allowed range is {} to {}", range.start(), range.end());
    Err(SettingsError { key, value: value.to_string(), allowed })
}

impl Settings {
    /// Check every setting and how they relate.
    ///
    /// # Errors
    /// The first setting that cannot be used, with its value and what is allowed.
    pub fn check(&self) -> Result<(), SettingsError> {
        if (1..1024).contains(&self.port) {
            let allowed = "the allowed range is 1024 to 65535, or 0 to let the system choose".to_owned();
            return Err(SettingsError { key: "port", value: self.port.to_string(), allowed });
        }
        within("max_connections", self.max_connections, 1..=10_000)?;
        within("max_sessions", self.max_sessions, 1..=100_000)?;
        within("max_queued", self.max_queued, 1..=100_000)?;
        within("max_in_flight", self.max_in_flight, 1..=100_000)?;
        within("max_queued_mib", self.max_queued_mib, 73..=16_384)?;
        within("max_unread_mib", self.max_unread_mib, 73..=4_096)?;
        within("stall_s", self.stall_s, 0.1..=3600.0)?;
        within("session_ttl_s", self.session_ttl_s, 1.0..=86_400.0)?;
        within("script_deadline_s", self.script_deadline_s, 0.001..=86_400.0)?;
        within("drain_s", self.drain_s, 0.0..=60.0)?;
        if self.max_sessions < self.max_connections {
            return Err(SettingsError {
                key: "max_sessions",
                value: self.max_sessions.to_string(),
                allowed: format!("it must be at least max_connections, {}", self.max_connections),
            });
        }
        Ok(())
    }

    /// `stall_s` as a duration.
    pub fn stall(&self) -> Duration {
        Duration::from_secs_f64(self.stall_s)
    }

    /// `session_ttl_s` as a duration.
    pub fn session_ttl(&self) -> Duration {
        Duration::from_secs_f64(self.session_ttl_s)
    }

    /// `script_deadline_s` as a duration.
    pub fn script_deadline(&self) -> Duration {
        Duration::from_secs_f64(self.script_deadline_s)
    }

    /// `drain_s` as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_secs_f64(self.drain_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BUG-007: a bad setting names its key, its value and the allowed range.
    #[test]
    fn settings_are_checked_as_a_whole() {
        Settings::default().check().expect("the defaults");
        type Change = fn(&mut Settings);
        let rows: [(Change, &str); 8] = [
            (|s| s.port = 80, "the setting port is 80; the allowed range is 1024 to 65535, or 0"),
            (|s| s.max_connections = 0, "max_connections is 0; the allowed range is 1 to 10000"),
            (|s| s.max_queued = 0, "max_queued is 0"),
            (|s| s.max_unread_mib = 72, "max_unread_mib is 72; the allowed range is 73 to 4096"),
            (|s| s.stall_s = f64::NAN, "stall_s is NaN"),
            (|s| s.session_ttl_s = 0.5, "session_ttl_s is 0.5; the allowed range is 1 to 86400"),
            (|s| s.drain_s = -1.0, "drain_s is -1"),
            (|s| s.max_sessions = 127, "max_sessions is 127; it must be at least max_connections, 128"),
        ];
        for (change, expected) in rows {
            let mut settings = Settings::default();
            change(&mut settings);
            let error = settings.check().expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        serde_json::from_str::<Settings>(r#"{"prot": 1}"#).expect_err("an unknown key");
        serde_json::from_str::<Settings>(r#"{"port": 70000}"#).expect_err("no port");
    }
}
