//! What a user may choose for a client, from three layers of which the later win: a file, the environment, and the
//! program itself. Everything is checked, each value by itself and all together, before anything starts (BUG-007).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::discovery::Selector;
use crate::error::Error;
use crate::event::Observer;
use crate::wire::Settings;

/// How the variables begin: `SPINDLE_CLIENT_POOL_SIZE` sets `pool_size`.
const PREFIX: &str = "SPINDLE_CLIENT_";

/// Names the file with settings; `spindle/client.json` in the user's folder for settings when absent.
pub const FILE_VARIABLE: &str = "SPINDLE_CLIENT_SETTINGS";

/// Variables that begin in the same way and are no settings of the library: the file's, and the command line's.
const OTHERS: [&str; 2] = [FILE_VARIABLE, "SPINDLE_CLIENT_ID"];

/// A setting's value, as every layer has it.
trait Number: Copy {
    const WHOLE: bool;
    fn of(number: f64) -> Self;
    fn number(self) -> f64;
}

impl Number for u32 {
    const WHOLE: bool = true;
    fn of(number: f64) -> u32 {
        number as u32
    }
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Number for Duration {
    const WHOLE: bool = false;
    fn of(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }
    fn number(self) -> f64 {
        self.as_secs_f64()
    }
}

/// A row of the table of settings.
#[derive(Debug)]
pub struct Row {
    /// The setting's name.
    pub name: &'static str,
    /// What it is unless somebody sets it.
    pub default: f64,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
    /// What it counts: connections, s.
    pub unit: &'static str,
    /// What it sets.
    pub summary: &'static str,
    /// Why the default and the range are what they are.
    pub reason: &'static str,
    whole: bool,
    get: fn(&Choices) -> f64,
    set: fn(&mut Choices, f64),
}

macro_rules! choices {
    ($(
        $(#[doc = $summary:literal])+
        $name:ident: $kind:ty = $default:literal in $least:literal..=$most:literal $unit:literal, $reason:literal;
    )+) => {
        /// The numbers among a client's settings. Times are in seconds in every layer.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Choices { $(
            $(#[doc = $summary])+
            #[doc = ""]
            #[doc = $reason]
            pub $name: $kind,
        )+ }

        impl Default for Choices {
            fn default() -> Choices {
                Choices { $($name: <$kind>::of($default),)+ }
            }
        }

        /// All of them, in the order of the documentation.
        pub static TABLE: &[Row] = &[$(Row {
            name: stringify!($name),
            default: $default,
            least: $least,
            most: $most,
            unit: $unit,
            summary: concat!($($summary),+).trim_ascii(),
            reason: $reason,
            whole: <$kind>::WHOLE,
            get: |choices| choices.$name.number(),
            set: |choices, number| choices.$name = <$kind>::of(number),
        },)+];
    };
}

choices! {
    /// Time to connect and say hello.
    connect_s: Duration = 5.0 in 0.001..=3600.0 "s",
        "A server on one machine answers in a millisecond; it gives a stranger 5 s too.";
    /// Within a message, the longest pause between two bytes.
    stall_s: Duration = 30.0 in 0.001..=3600.0 "s",
        "Each byte starts it anew, so only a peer that is stuck runs into it; the server's is the same.";
    /// How much longer than the server's deadline a reply is waited for.
    grace_s: Duration = 5.0 in 0.001..=3600.0 "s",
        "The server's own answer knows what ran, so it should come first, also from a busy machine.";
    /// After an interrupt, how long the answer to the cancelled request is waited for.
    farewell_s: Duration = 2.0 in 0.001..=60.0 "s",
        "A script that can be stopped stops in milliseconds, and whoever pressed Ctrl-C waits.";
    /// Deadline of a call that names none; 0 for the method's own.
    request_s: Duration = 0.0 in 0.0..=86400.0 "s",
        "Reads have 60 s and scripts 180 s; renders, loads and saves take as long as they take.";
    /// Connections at once.
    pool_size: u32 = 8.0 in 1.0..=128.0 "connections",
        "More gain nothing, as Blender has one main thread; a server takes 128 unless told otherwise.";
    /// How long a call waits for one of them.
    pool_wait_s: Duration = 30.0 in 0.001..=86400.0 "s",
        "Longer than small requests ever take; who holds one for a render needs more connections, not more patience.";
    /// Unused for this long, a connection is asked whether it is well before it is used.
    pool_check_s: Duration = 30.0 in 0.0..=86400.0 "s",
        "A closed one shows without asking. This finds a server that stands still, and a laptop that was suspended.";
    /// Unused for this long, a connection is closed.
    pool_idle_s: Duration = 300.0 in 0.001..=86400.0 "s",
        "Connecting anew takes a millisecond, and each connection takes one of the server's places.";
    /// Attempts at one call, the first included.
    retry_attempts: u32 = 7.0 in 1.0..=100.0 "attempts",
        "With the pauses below about five seconds, in which Blender can start anew.";
    /// The pause before the second attempt; each later one is twice as long.
    retry_first_s: Duration = 0.1 in 0.001..=3600.0 "s",
        "Blender is busy for tens of milliseconds often, and for seconds seldom.";
    /// The longest pause.
    retry_most_s: Duration = 5.0 in 0.001..=3600.0 "s",
        "Somebody waits.";
    /// Time after which no further attempt begins.
    retry_total_s: Duration = 60.0 in 0.001..=300.0 "s",
        "Half the 600 s for which a server keeps the outcome of an idempotency key is the most that is safe.";
    /// Failures in a row after which the breaker opens.
    breaker_failures: u32 = 10.0 in 1.0..=1000.0 "failures",
        "More than the attempts at one call, so that one that is unlucky does not stop the others.";
    /// How long it stays open before one request may try.
    breaker_rest_s: Duration = 5.0 in 0.001..=3600.0 "s",
        "As the longest pause; a Blender that starts takes about as long.";
    /// Time between health probes; 0 for none.
    probe_s: Duration = 30.0 in 0.0..=86400.0 "s",
        "Three failures in a row tell of a fault within two minutes, and a probe takes a millisecond.";
    /// Deadline of a health check, connecting included.
    health_s: Duration = 10.0 in 0.001..=3600.0 "s",
        "Native code answers it within milliseconds whatever Blender does.";
    /// Kept answers at most.
    cache_entries: u32 = 1000.0 in 0.0..=100000.0 "answers",
        "More than a scene has objects that are looked at.";
    /// Bytes of all kept answers at most.
    cache_mib: u32 = 64.0 in 0.0..=4096.0 "MiB",
        "As much as the largest blob.";
    /// The least time to live; what is less is raised to it.
    cache_ttl_least_s: Duration = 1.0 in 0.001..=86400.0 "s",
        "An answer that lives shorter is not worth keeping (BUG-006).";
    /// The most time to live; what is more is cut to it.
    cache_ttl_most_s: Duration = 86400.0 in 0.001..=86400.0 "s",
        "One day (BUG-006).";
    /// How long a shutdown waits for calls that are under way.
    shutdown_s: Duration = 10.0 in 0.0..=86400.0 "s",
        "A small request ends in milliseconds; a program that ends is not held up by a render.";
}

/// Settings that must not be more than another one.
const ORDERED: [(&str, &str); 4] = [
    ("pool_check_s", "pool_idle_s"),
    ("retry_first_s", "retry_most_s"),
    ("retry_most_s", "retry_total_s"),
    ("cache_ttl_least_s", "cache_ttl_most_s"),
];

/// The settings of one [`crate::Client`].
#[derive(Clone, Default)]
pub struct ClientSettings {
    /// Who connects, and the interrupt. Its waits are replaced by those of `choices`.
    pub connection: Settings,
    /// Which of several servers is meant.
    pub instance: Option<Selector>,
    /// Where the instance files are; the user's runtime folder when absent.
    pub runtime_dir: Option<PathBuf>,
    /// Who is told what the client does.
    pub observer: Option<Arc<dyn Observer>>,
    /// The numbers.
    pub choices: Choices,
}

impl ClientSettings {
    /// The defaults, with what the file and the environment of this process say.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that cannot be used. A file that is named and is not there is one.
    pub fn from_environment() -> Result<ClientSettings, Error> {
        let named = std::env::var_os(FILE_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from);
        let usual = || dirs::config_dir().map(|folder| folder.join("spindle").join("client.json"));
        let file = match (named, usual()) {
            (Some(path), _) => read(&path)?,
            (None, Some(path)) if path.exists() => read(&path)?,
            _ => Map::new(),
        };
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = variables.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
        ClientSettings::gather(&file, variables)
    }

    /// The defaults, with what a file's object says, and then the variables `SPINDLE_CLIENT_<NAME>`. An empty
    /// variable counts as none.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first value that cannot be used. A value that a later layer replaces must be sound
    /// all the same.
    pub fn gather(
        file: &Map<String, Value>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<ClientSettings, Error> {
        let mut settings = ClientSettings::default();
        for (key, value) in file {
            settings.take(key, value, " in the file")?;
        }
        let ours = |name: &str| name.starts_with(PREFIX) && !OTHERS.contains(&name);
        for (name, text) in variables.into_iter().filter(|(name, text)| ours(name) && !text.is_empty()) {
            let key = name[PREFIX.len()..].to_ascii_lowercase();
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            settings.take(&key, &value, " in the environment")?;
        }
        settings.check()?;
        Ok(settings)
    }

    fn take(&mut self, key: &str, value: &Value, place: &str) -> Result<(), Error> {
        let wrong = |allowed: String| {
            let value = value.to_string().chars().take(100).collect();
            Error::Setting { key: key.to_owned(), value, allowed, place: place.to_owned() }
        };
        let row = TABLE.iter().find(|row| row.name == key);
        let row = row.ok_or_else(|| wrong("there is no setting of this name".to_owned()))?;
        let number = value.as_f64().ok_or_else(|| wrong(row.allowed()))?;
        if !row.takes(number) {
            return Err(wrong(row.allowed()));
        }
        (row.set)(&mut self.choices, number);
        Ok(())
    }

    /// Check every setting, and how they relate.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first that cannot be used, its value and what is allowed; [`Error::Invalid`] for
    /// the texts in `connection`.
    pub fn check(&self) -> Result<(), Error> {
        self.connection.check()?;
        let number = |name: &str| TABLE.iter().find(|row| row.name == name).map(|row| (row.get)(&self.choices));
        let wrong = |key: &str, value: f64, allowed: String| {
            Err(Error::Setting { key: key.to_owned(), value: value.to_string(), allowed, place: String::new() })
        };
        for row in TABLE {
            let value = (row.get)(&self.choices);
            if !row.takes(value) {
                return wrong(row.name, value, row.allowed());
            }
        }
        for (less, more) in ORDERED {
            if let (Some(value), Some(most)) = (number(less), number(more))
                && value > most
            {
                return wrong(less, value, format!("it must be at most {more}, which is {most}"));
            }
        }
        Ok(())
    }

    /// What a connection is made with.
    pub(crate) fn for_connections(&self) -> Settings {
        let Choices { connect_s, stall_s, grace_s, farewell_s, .. } = self.choices;
        Settings { connect: connect_s, idle: stall_s, grace: grace_s, farewell: farewell_s, ..self.connection.clone() }
    }
}

impl Row {
    fn takes(&self, number: f64) -> bool {
        (self.least..=self.most).contains(&number) && (!self.whole || number.fract() == 0.0)
    }

    fn allowed(&self) -> String {
        let kind = if self.whole { "a whole number" } else { "a number" };
        format!("allowed is {kind} from {} to {} ({})", self.least, self.most, self.unit)
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    let parse = |text: String| serde_json::from_str(&text).map_err(io::Error::from);
    fs::read_to_string(path).and_then(parse).map_err(|error| Error::Setting {
        key: FILE_VARIABLE.to_owned(),
        value: format!("{:?}", path.display()),
        allowed: format!("expected a file with a JSON object of settings: {error}"),
        place: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gather(file: Value, variables: &[(&str, &str)]) -> Result<ClientSettings, Error> {
        let file = file.as_object().cloned().expect("an object");
        ClientSettings::gather(&file, variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
    }

    /// BUG-007: a bad setting names its key, its value, what is allowed, and where it comes from.
    #[test]
    fn bad_settings() {
        let rows = [
            (
                json!({"pool_size": 0}),
                "",
                "the setting pool_size in the file is 0; allowed is a whole number from 1 to 128",
            ),
            (json!({"pool_size": 2.5}), "", "is 2.5; allowed is a whole number"),
            (json!({"pool_size": "8"}), "", "is \"8\"; allowed"),
            (json!({"pool_size": true}), "", "is true; allowed"),
            (json!({"pool_wait_s": -1}), "", "is -1; allowed is a number from 0.001 to 86400 (s)"),
            (json!({"pool_wiat_s": 1}), "", "pool_wiat_s in the file is 1; there is no setting of this name"),
            (json!({"retry_first_s": 6}), "", "retry_first_s is 6; it must be at most retry_most_s, which is 5"),
            (json!({"pool_idle_s": 1}), "", "pool_check_s is 30; it must be at most pool_idle_s, which is 1"),
            (json!({"cache_ttl_most_s": 0.5}), "", "cache_ttl_least_s is 1; it must be at most cache_ttl_most_s"),
            (json!({}), "many", "the setting pool_size in the environment is \"many\"; allowed"),
            (json!({}), "NaN", "is \"NaN\"; allowed"),
            (json!({}), "1e999", "is \"1e999\"; allowed"),
            (json!({"pool_size": 0}), "8", "pool_size in the file is 0; allowed"),
        ];
        for (file, variable, expected) in rows {
            let error = gather(file, &[("SPINDLE_CLIENT_POOL_SIZE", variable)]).err().expect(expected);
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.kind(), "invalid_setting");
        }
        let unknown = gather(json!({}), &[("SPINDLE_CLIENT_POOLSIZE", "1")]).err().expect("unknown").to_string();
        assert!(unknown.contains("poolsize in the environment is 1; there is no setting of this name"), "{unknown}");
    }

    /// TIMEOUTS: every wait is a setting with a default; the later layer wins.
    #[test]
    fn layers() {
        let plain = gather(json!({}), &[("SPINDLE_CLIENT_ID", "x"), ("PATH", "/")]).expect("sound");
        assert_eq!(plain.choices, Choices::default());
        let Choices { pool_wait_s, health_s, connect_s, .. } = plain.choices;
        assert_eq!([pool_wait_s, health_s, connect_s].map(|wait| wait.as_secs()), [30, 10, 5]);
        let file = json!({"pool_size": 2, "health_s": 1.5});
        let both = gather(file, &[("SPINDLE_CLIENT_POOL_SIZE", "3"), ("SPINDLE_CLIENT_PROBE_S", "")]).expect("sound");
        assert_eq!((both.choices.pool_size, both.choices.health_s), (3, Duration::from_millis(1500)));
    }

    #[test]
    fn the_table_is_sound() {
        for row in TABLE {
            assert!(row.takes(row.default) && row.reason.ends_with('.') && row.summary.ends_with('.'), "{}", row.name);
            assert_eq!(row.name.ends_with("_s"), row.unit == "s", "{}", row.name);
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_starts_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("client.json");
        let refused = |path: &Path| read(path).expect_err("refused").to_string();
        assert!(refused(&path).contains("expected a file with a JSON object"), "{}", refused(&path));
        fs::write(&path, "[1]").expect("written");
        assert!(refused(&path).contains("expected a map"), "{}", refused(&path));
        fs::write(&path, r#"{"pool_size": 3}"#).expect("written");
        assert_eq!(read(&path).expect("sound")["pool_size"], 3);
    }
}
