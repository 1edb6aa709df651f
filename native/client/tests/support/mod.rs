//! The server of `spindle-core`, with a thread in the place of Blender that answers each request with its own
//! parameters and blob, and remembers which scripts it ran.

#![allow(dead_code, reason = "each test file uses a part of it")]

#[cfg(target_os = "linux")]
pub mod proxy;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use spindle_client::settings::Choices;
use spindle_client::{ClientSettings, Error, Event, Observer};
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::settings::Settings as ServerSettings;
use spindle_protocol::instance::Instance;

/// Long enough for any machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A script's code, and its idempotency key.
pub type Script = (String, Option<String>);

/// A running "Blender".
pub struct Blender {
    pub handle: Arc<Handle>,
    /// How often each script was started, by its code and its idempotency key as they arrived.
    pub ran: Arc<Mutex<HashMap<Script, usize>>>,
    /// How long each request takes.
    pub work_ms: Arc<AtomicU64>,
    quit: Arc<AtomicBool>,
    main_thread: Option<JoinHandle<()>>,
}

impl Blender {
    /// Start one that leaves its instance file in this folder.
    pub fn start(folder: &Path) -> Blender {
        let settings =
            ServerSettings { port: 0, runtime_dir: Some(folder.to_owned()), log: false, ..ServerSettings::default() };
        let facts = BlenderFacts { version: "5.2.2".to_owned(), window: true, file: String::new() };
        let handle = Arc::new(Handle::start(settings, facts).expect("started"));
        let mut blender =
            Blender { handle, ran: Arc::default(), work_ms: Arc::default(), quit: Arc::default(), main_thread: None };
        blender.main_thread = Some(blender.run());
        blender
    }

    fn run(&self) -> JoinHandle<()> {
        let (handle, quit) = (Arc::clone(&self.handle), Arc::clone(&self.quit));
        let (ran, work_ms) = (Arc::clone(&self.ran), Arc::clone(&self.work_ms));
        thread::spawn(move || {
            while !quit.load(Ordering::Relaxed) {
                let Some((ticket, request)) = handle.take(Duration::from_millis(20)) else { continue };
                let params = to_raw_value(&request.params()).expect("JSON");
                let script: Value = serde_json::from_str(params.get()).expect("JSON");
                if let Some(code) = script["code"].as_str() {
                    let key = request.options().idempotency_key.clone();
                    *ran.lock().expect("whole").entry((code.to_owned(), key)).or_default() += 1;
                }
                let end = Instant::now() + Duration::from_millis(work_ms.load(Ordering::Relaxed));
                while Instant::now() < end && !quit.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                handle.reply(ticket, params, request.blob().to_owned(), Ending::ok());
            }
        })
    }

    pub fn instance(&self) -> Instance {
        self.handle.instance()
    }

    /// How often this script was started.
    pub fn runs_of(&self, code: &str) -> usize {
        let ran = self.ran.lock().expect("whole");
        ran.iter().filter(|((other, _), _)| other == code).map(|(_, count)| count).sum()
    }
}

impl Drop for Blender {
    fn drop(&mut self) {
        self.handle.stop();
        self.quit.store(true, Ordering::Relaxed);
        if let Some(thread) = self.main_thread.take() {
            thread.join().expect("no panic");
        }
    }
}

/// What a client told, in its own words.
#[derive(Clone, Default)]
pub struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub fn observer(&self) -> Option<Arc<dyn Observer>> {
        let lines = Arc::clone(&self.0);
        Some(Arc::new(move |event: &Event<'_>| lines.lock().expect("whole").push(event.to_string())))
    }

    pub fn count(&self, part: &str) -> usize {
        self.0.lock().expect("whole").iter().filter(|line| line.contains(part)).count()
    }
}

/// Settings for tests: no probes unless asked for, short waits, and these changes.
pub fn settings(change: impl FnOnce(&mut Choices)) -> ClientSettings {
    let ms = Duration::from_millis;
    let mut choices = Choices {
        connect_s: ms(1000),
        stall_s: ms(300),
        grace_s: ms(200),
        probe_s: Duration::ZERO,
        retry_first_s: ms(10),
        retry_most_s: ms(100),
        breaker_failures: 1000,
        shutdown_s: ms(2000),
        ..Choices::default()
    };
    change(&mut choices);
    ClientSettings { choices, ..ClientSettings::default() }
}

pub fn params(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}

/// A script's parameters.
pub fn script(code: &str) -> Box<RawValue> {
    params(&json!({"code": code}))
}

/// Wait until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} never came true");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The error's name, or `ok`.
pub fn name<T>(outcome: &Result<T, Error>) -> &'static str {
    outcome.as_ref().map_or_else(Error::kind, |_| "ok")
}
