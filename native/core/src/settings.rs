//! What a user may choose, from three layers of which the later win: Blender's preferences, the
//! environment, the command line. Everything is checked, each value by itself and all together,
//! before anything starts (BUG-007).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};
use spindle_protocol::finding::Level;
use spindle_protocol::methods::watch::LimitRow;
use thiserror::Error;

use crate::limits::{Kind, Limits, Row, TABLE};

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    #[default]
    Default,
    /// Blender's preferences.
    Preferences,
    /// A variable of the environment.
    Environment,
    /// The command line.
    Arguments,
}

impl Source {
    /// Its name, as the method `limits` tells it.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::Preferences => "preferences",
            Source::Environment => "environment",
            Source::Arguments => "arguments",
        }
    }

    /// Where to look for a setting that is wrong, in the middle of a sentence.
    fn place(self, key: &str) -> String {
        match self {
            Source::Default => String::new(),
            Source::Preferences => " in the preferences".to_owned(),
            Source::Environment => format!(" in the environment ({})", variable(key)),
            Source::Arguments => " on the command line".to_owned(),
        }
    }
}

/// The variable of the environment that sets this.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}

const PREFIX: &str = "SPINDLE_";

/// The settings of one server.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The TCP port to prefer; 0 lets the system choose. When it is taken, the system chooses too,
    /// since clients find the server by its instance file.
    pub port: u16,
    /// The TCP port for `/metrics`, `/healthz` and `/readyz`; off when absent. `Some(0)`, which no
    /// layer can say, lets the system choose.
    pub metrics_port: Option<u16>,
    /// The TCP port for clients of other add-ons, which prove nothing; off when absent. `Some(0)`, which no layer can
    /// say, lets the system choose.
    pub compat_port: Option<u16>,
    /// Whether requests are logged.
    pub log: bool,
    /// Where the log goes; a folder of the user's own when absent.
    pub log_dir: Option<PathBuf>,
    /// How strict the guard is with scripts.
    pub guard_level: Level,
    /// Whether the process's soft descriptor limit may be raised to fit `max_connections`.
    pub raise_descriptor_limit: bool,
    /// Where the instance file goes; the user's runtime folder when absent.
    pub runtime_dir: Option<PathBuf>,
    /// The limits.
    pub limits: Limits,
    /// Where the values come from; what is not in it is a default.
    pub sources: BTreeMap<&'static str, Source>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            // Above the registered ports in common use, below the ephemeral range; not 9876, which
            // at least six incompatible add-ons use.
            port: 27182,
            metrics_port: None,
            compat_port: None,
            log: true,
            log_dir: None,
            guard_level: Level::default(),
            raise_descriptor_limit: false,
            runtime_dir: None,
            limits: Limits::default(),
            sources: BTreeMap::new(),
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum SettingsError {
    /// A value is of the wrong type, out of range, or does not go with another one.
    #[error("the setting {key}{} is {value}; {allowed}", origin.place(key))]
    Value {
        /// The setting's name.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: String,
        /// Where it comes from.
        origin: Source,
    },
    /// Nothing has this name.
    #[error("there is no setting {key:?}, found{}", origin.place(key))]
    Unknown {
        /// The name.
        key: String,
        /// Where it comes from.
        origin: Source,
    },
}

/// How a setting that is no limit takes its value. The error is what is allowed.
type Take = fn(&mut Settings, &Value) -> Result<(), &'static str>;

const PLAIN: &[(&str, Take)] = &[
    ("port", |settings, value| port(value).map(|port| settings.port = port)),
    ("metrics_port", |settings, value| optional_port(value).map(|port| settings.metrics_port = port)),
    ("compat_port", |settings, value| optional_port(value).map(|port| settings.compat_port = port)),
    ("log", |settings, value| switch(value).map(|on| settings.log = on)),
    ("log_dir", |settings, value| folder(value).map(|dir| settings.log_dir = dir)),
    ("guard_level", |settings, value| level(value).map(|level| settings.guard_level = level)),
    ("raise_descriptor_limit", |settings, value| switch(value).map(|on| settings.raise_descriptor_limit = on)),
    ("runtime_dir", |settings, value| folder(value).map(|dir| settings.runtime_dir = dir)),
];

const PORTS: &str = "allowed is a whole number from 1024 to 65535, or 0 to let the system choose";
const OPTIONAL_PORTS: &str = "allowed is a whole number from 1024 to 65535, or 0 for none";

fn port(value: &Value) -> Result<u16, &'static str> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| is_port(*port)).ok_or(PORTS)
}

fn optional_port(value: &Value) -> Result<Option<u16>, &'static str> {
    port(value).map(|port| (port != 0).then_some(port)).map_err(|_| OPTIONAL_PORTS)
}

/// Ports below 1024 belong to the system's services.
fn is_port(port: u16) -> bool {
    !(1..1024).contains(&port)
}

fn switch(value: &Value) -> Result<bool, &'static str> {
    match (value.as_bool(), value.as_u64()) {
        (Some(on), _) => Ok(on),
        (_, Some(0)) => Ok(false),
        (_, Some(1)) => Ok(true),
        _ => Err("allowed is true or false, also as 1 or 0"),
    }
}

fn level(value: &Value) -> Result<Level, &'static str> {
    let named = |level: &&Level| value.as_str() == Some(level.name());
    Level::ALL.iter().find(named).copied().ok_or("allowed is \"trusted\", \"guarded\", \"ask\" or \"locked\"")
}

fn folder(value: &Value) -> Result<Option<PathBuf>, &'static str> {
    let path = value.as_str().ok_or("allowed is the path of a folder, or an empty text for the usual one")?;
    Ok((!path.is_empty()).then(|| PathBuf::from(path)))
}

impl Settings {
    /// Settings from the preferences, the variables `SPINDLE_<NAME>`, and the command line; later
    /// ones win. An empty variable counts as none, and so does one of another name: other programs
    /// of ours have theirs.
    ///
    /// # Errors
    /// The first value that cannot be used, and where it comes from. A value that a later layer
    /// replaces must be sound all the same.
    pub fn gather(
        preferences: &Map<String, Value>,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: &Map<String, Value>,
    ) -> Result<Settings, SettingsError> {
        let mut settings = Settings::default();
        for (key, value) in preferences {
            settings.take(key, value, Source::Preferences)?;
        }
        for (name, text) in environment {
            if let Some(key) = key_of(&name).filter(|_| !text.is_empty()) {
                settings.take(key, &meant(key, text), Source::Environment)?;
            }
        }
        for (key, value) in arguments {
            settings.take(key, value, Source::Arguments)?;
        }
        settings.check()?;
        Ok(settings)
    }

    fn take(&mut self, key: &str, value: &Value, origin: Source) -> Result<(), SettingsError> {
        let (key, taken) = if let Some((key, take)) = PLAIN.iter().find(|(name, _)| *name == key) {
            (*key, take(self, value).map_err(str::to_owned))
        } else if let Some(row) = Row::find(key) {
            (row.name, row.read(value).and_then(|number| row.set(&mut self.limits, number)))
        } else {
            return Err(SettingsError::Unknown { key: key.to_owned(), origin });
        };
        taken.map_err(|allowed| {
            let value = value.to_string().chars().take(100).collect();
            SettingsError::Value { key, value, allowed, origin }
        })?;
        self.sources.insert(key, origin);
        Ok(())
    }

    /// Check every setting and how they relate.
    ///
    /// # Errors
    /// The first setting that cannot be used, with its value and what is allowed.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |key, value: String, allowed: String| {
            Err(SettingsError::Value { key, value, allowed, origin: self.source(key) })
        };
        if !is_port(self.port) {
            return wrong("port", self.port.to_string(), PORTS.to_owned());
        }
        let others = [("metrics_port", self.metrics_port), ("compat_port", self.compat_port)];
        for (key, port) in others.into_iter().filter_map(|(key, port)| Some((key, port?))) {
            if !is_port(port) {
                return wrong(key, port.to_string(), OPTIONAL_PORTS.to_owned());
            }
            if port != 0 && port == self.port {
                return wrong(key, port.to_string(), "it must differ from port".to_owned());
            }
        }
        if let Some(port) = self.compat_port.filter(|port| *port != 0 && Some(*port) == self.metrics_port) {
            return wrong("compat_port", port.to_string(), "it must differ from metrics_port".to_owned());
        }
        self.limits.check().or_else(|(row, allowed)| wrong(row.name, row.get(&self.limits).to_string(), allowed))
    }

    /// Where a setting's value comes from.
    pub fn source(&self, key: &str) -> Source {
        self.sources.get(key).copied().unwrap_or_default()
    }

    /// Every limit as it is now, and where it comes from. TTLs are told as they work, clamped.
    pub fn rows(&self) -> Vec<LimitRow> {
        let row = |row: &Row| {
            let value = row.get(&self.limits);
            LimitRow {
                name: row.name.to_owned(),
                value: if row.kind == Kind::Ttl { self.limits.ttl(value).0.as_secs_f64() } else { value },
                default: row.default,
                least: row.least,
                most: row.most,
                unit: row.unit.to_owned(),
                source: self.source(row.name).name().to_owned(),
                summary: row.summary.to_owned(),
            }
        };
        TABLE.iter().map(row).collect()
    }
}

/// The setting that a variable of the environment sets.
fn key_of(variable_name: &str) -> Option<&'static str> {
    let names = PLAIN.iter().map(|(name, _)| *name).chain(TABLE.iter().map(|row| row.name));
    names.into_iter().find(|name| variable(name) == variable_name)
}

/// A variable's text as the value that it means: folders are text, everything else reads as in JSON.
fn meant(key: &str, text: String) -> Value {
    let literal = if key.ends_with("_dir") { None } else { serde_json::from_str(&text).ok() };
    literal.unwrap_or(Value::String(text))
}

/// The variables of this process that may be settings. Bytes that are no text show as U+FFFD.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    ours.filter(|(name, _)| name.starts_with(PREFIX)).map(|(name, value)| (name, value.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Gathered = Result<Settings, SettingsError>;

    fn gather(preferences: Value, environment: &[(&str, &str)], arguments: Value) -> Gathered {
        let layer = |value: Value| value.as_object().cloned().expect("a layer is an object");
        let variables = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Settings::gather(&layer(preferences), variables, &layer(arguments))
    }

    /// Settings from one layer; in the environment the names are variables and the values texts.
    fn gather_from(origin: Source, layer: &Value) -> Gathered {
        let variables: Vec<(String, &str)> = match layer.as_object() {
            Some(layer) => layer.iter().filter_map(|(key, text)| Some((variable(key), text.as_str()?))).collect(),
            None => Vec::new(),
        };
        let variables: Vec<_> = variables.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        match origin {
            Source::Environment => gather(json!({}), &variables, json!({})),
            Source::Arguments => gather(json!({}), &[], layer.clone()),
            Source::Default | Source::Preferences => gather(layer.clone(), &[], json!({})),
        }
    }

    /// BUG-007: a bad setting names its key, its value, what is allowed, and where it comes from.
    #[test]
    fn bad_settings() {
        use Source::{Arguments as A, Environment as E, Preferences as P};
        let rows = [
            (P, json!({"port": 80}), "the setting port in the preferences is 80; allowed is a whole number from 1024"),
            (P, json!({"port": 70_000}), "port in the preferences is 70000; allowed"),
            (P, json!({"port": 27182.5}), "is 27182.5; allowed"),
            (A, json!({"port": -1}), "the setting port on the command line is -1; allowed"),
            (P, json!({"metrics_port": 9}), "is 9; allowed is a whole number from 1024 to 65535, or 0 for none"),
            (P, json!({"metrics_port": 27182}), "is 27182; it must differ from port"),
            (P, json!({"compat_port": 27182}), "is 27182; it must differ from port"),
            (P, json!({"compat_port": 9100, "metrics_port": 9100}), "is 9100; it must differ from metrics_port"),
            (P, json!({"log": 2}), "log in the preferences is 2; allowed is true or false"),
            (
                P,
                json!({"guard_level": "lax"}),
                "guard_level in the preferences is \"lax\"; allowed is \"trusted\", \"guar",
            ),
            (E, json!({"guard_level": "1"}), "(SPINDLE_GUARD_LEVEL) is 1; allowed"),
            (A, json!({"guard_level": "Ask"}), "guard_level on the command line is \"Ask\"; allowed"),
            (P, json!({"log_dir": 1}), "log_dir in the preferences is 1; allowed is the path"),
            (P, json!({"max_connections": 0}), "is 0; allowed is a whole number from 1 to 10000 (connections)"),
            (P, json!({"max_connections": "128"}), "max_connections in the preferences is \"128\"; allowed"),
            (P, json!({"max_connections": 12.5}), "is 12.5; allowed is a whole number"),
            (P, json!({"max_connections": true}), "is true; allowed"),
            (P, json!({"max_connections": null}), "is null; allowed"),
            (P, json!({"max_queued": u64::MAX}), "is 18446744073709551615; allowed"),
            (
                P,
                json!({"stall_s": 0.01}),
                "stall_s in the preferences is 0.01; allowed is a number from 0.1 to 3600 (s)",
            ),
            (P, json!({"session_ttl_s": -1}), "is -1; allowed is a number from 0 to"),
            (E, json!({"stall_s": "NaN"}), "stall_s in the environment (SPINDLE_STALL_S) is \"NaN\"; allowed"),
            (E, json!({"stall_s": "1e999"}), "is \"1e999\"; allowed"),
            (E, json!({"max_queued": "many"}), "(SPINDLE_MAX_QUEUED) is \"many\"; allowed"),
            (E, json!({"log": "on"}), "(SPINDLE_LOG) is \"on\"; allowed"),
            (P, json!({"prot": 1}), "there is no setting \"prot\", found in the preferences"),
            (A, json!({"prot": 1}), "there is no setting \"prot\", found on the command line"),
            (P, json!({"max_sessions": 127}), "max_connections is 128; it must be at most max_sessions, which is 127"),
            (P, json!({"max_in_flight": 2049}), "2049; it must be at most max_session_in_flight, which is 2048"),
            (E, json!({"max_queued": "2047"}), "max_session_queued is 2048; it must be at most max_queued"),
            (A, json!({"ttl_least_s": 3, "ttl_most_s": 2}), "3; it must be at most ttl_most_s, which is 2"),
        ];
        for (origin, layer, expected) in rows {
            let error = gather_from(origin, &layer).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let hidden = gather(json!({"port": 80}), &[], json!({"port": 0}));
        hidden.expect_err("a bad value is refused also where another layer replaces it");
    }

    /// Later layers win, and each value tells where it comes from.
    #[test]
    fn layers() {
        let preferences =
            json!({"port": 5000, "max_queued": 3000, "stall_s": 5, "log": true, "log_dir": "", "metrics_port": 0});
        let environment = [
            ("SPINDLE_MAX_QUEUED", "4000"),
            ("SPINDLE_PORT", "6000"),
            ("SPINDLE_LOG", "0"),
            ("SPINDLE_GUARD_LEVEL", "ask"),
            ("SPINDLE_LOG_DIR", "7"),
            ("SPINDLE_METRICS_PORT", "9100"),
            ("SPINDLE_STALL_S", ""),
            ("SPINDLE_BLENDER", "somewhere"),
            ("SPINDLE_MAX_CONECTIONS", "7"),
            ("STALL_S", "7"),
            ("spindle_stall_s", "7"),
        ];
        let settings = gather(preferences, &environment, json!({"port": 0})).expect("sound");
        let expected = Settings {
            port: 0,
            metrics_port: Some(9100),
            log: false,
            guard_level: Level::Ask,
            log_dir: Some(PathBuf::from("7")),
            limits: Limits { max_queued: 4000, stall_s: 5.0, ..Limits::default() },
            sources: settings.sources.clone(),
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        let sources =
            [("port", Source::Arguments), ("max_queued", Source::Environment), ("stall_s", Source::Preferences)];
        for (key, source) in sources.into_iter().chain([("max_sessions", Source::Default)]) {
            assert_eq!(settings.source(key), source, "{key}");
        }
        assert_eq!(gather(json!({}), &[], json!({})), Ok(Settings::default()));
    }

    /// BUG-007: every limit can be set from every layer, and its row says so.
    #[test]
    fn every_limit_has_its_row() {
        for row in TABLE {
            let number = if row.kind == Kind::Whole { json!(row.default as u64) } else { json!(row.default) };
            for origin in [Source::Preferences, Source::Environment, Source::Arguments] {
                let value = if origin == Source::Environment { json!(number.to_string()) } else { number.clone() };
                let rows = gather_from(origin, &json!({row.name: value})).expect(row.name).rows();
                let told: Vec<_> = rows.iter().filter(|told| told.source != "default").collect();
                assert_eq!(told.len(), 1, "{}", row.name);
                assert_eq!((told[0].name.as_str(), told[0].source.as_str()), (row.name, origin.name()));
                assert_eq!((told[0].value, told[0].least, told[0].most), (row.default, row.least, row.most));
            }
        }
    }

    /// BUG-006: a TTL out of bounds is no error; what is told is what works.
    #[test]
    fn ttls_are_clamped() {
        let settings = gather(json!({"session_ttl_s": 0.2, "job_ttl_s": 1e7}), &[], json!({})).expect("clamped");
        let value = |name| settings.rows().into_iter().find(|row| row.name == name).expect(name).value;
        assert_eq!((value("session_ttl_s"), value("job_ttl_s")), (1.0, 86_400.0));
    }

    #[test]
    fn programs_can_ask_for_any_metrics_port() {
        let with = |metrics_port| Settings { metrics_port, ..Settings::default() }.check();
        with(Some(0)).expect("the system chooses");
        with(Some(27182)).expect_err("it is the server's own");
        assert!(environment().all(|(name, _)| name.starts_with(PREFIX)));
    }
}
