//! The client against the server of `spindle-core`, with a thread in the place of Blender.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use spindle_client::discovery::{choose, list, renew};
use spindle_client::{Connection, Error, Options, Selector, Settings};
use spindle_core::handle::{BlenderFacts, Ending, Handle};
use spindle_core::settings::Settings as ServerSettings;
use spindle_protocol::error::Started;
use spindle_protocol::instance::Instance;
use spindle_protocol::methods::Nothing;
use spindle_protocol::methods::control::{CancelOutcome, Health, Methods, Ping};
use spindle_protocol::methods::job::{Detached, ListAll};

/// A server, and a "main thread" that answers each request with its own parameters and blob.
struct Blender {
    handle: Arc<Handle>,
    folder: tempfile::TempDir,
    quit: Arc<AtomicBool>,
    main_thread: Option<JoinHandle<()>>,
}

impl Blender {
    /// With nobody who takes requests.
    fn stuck() -> Blender {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            ServerSettings { port: 0, runtime_dir: Some(folder.path().to_owned()), ..ServerSettings::default() };
        let facts = BlenderFacts { version: "5.2.2".to_owned(), window: true, file: "/models/chair.blend".to_owned() };
        let handle = Arc::new(Handle::start(settings, facts).expect("started"));
        Blender { handle, folder, quit: Arc::default(), main_thread: None }
    }

    fn start() -> Blender {
        let mut blender = Blender::stuck();
        let (handle, quit) = (Arc::clone(&blender.handle), Arc::clone(&blender.quit));
        blender.main_thread = Some(thread::spawn(move || {
            while !quit.load(Ordering::Relaxed) {
                if let Some((ticket, request)) = handle.take(Duration::from_millis(20)) {
                    let params = to_raw_value(&request.params()).expect("JSON");
                    handle.reply(ticket, params, request.blob().to_owned(), Ending::ok());
                }
            }
        }));
        blender
    }

    fn instance(&self) -> Instance {
        let chair = Selector::File("chair".to_owned());
        choose(list(self.folder.path()).expect("readable"), Some(&chair), self.folder.path()).expect("found")
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.instance(), &Settings::default()).expect("connected")
    }
}

impl Drop for Blender {
    fn drop(&mut self) {
        self.quit.store(true, Ordering::Relaxed);
        if let Some(thread) = self.main_thread.take() {
            thread.join().expect("no panic");
        }
    }
}

fn params(value: Value) -> Box<RawValue> {
    to_raw_value(&value).expect("JSON")
}

#[test]
fn control_methods_with_their_types() {
    let blender = Blender::start();
    let mut connection = blender.connect();
    let plain = Options::default();
    assert!(connection.call_typed::<Ping>(&Nothing {}, &[], &plain).expect("answered").0.pong);
    let (health, _) = connection.call_typed::<Health>(&Nothing {}, &[], &plain).expect("answered");
    assert_eq!((health.blender.as_str(), health.connections), ("5.2.2", 1));
    let (list, _) = connection.call_typed::<Methods>(&Nothing {}, &[], &plain).expect("answered");
    assert_eq!(list.methods.len(), spindle_protocol::method::METHODS.len());
}

#[test]
fn main_methods_and_bytes() {
    let blender = Blender::start();
    let mut connection = blender.connect();
    let blob = vec![5; 3 << 20];
    let options = Options { label: Some("Echo".to_owned()), ..Options::default() };
    let reply = connection.call("script.run", &params(json!({"code": "1"})), &blob, &options).expect("answered");
    assert_eq!(reply.read::<Value>().expect("JSON")["code"], "1");
    assert!(reply.blob == blob);
}

#[test]
fn refusals() {
    let blender = Blender::start();
    let mut connection = blender.connect();
    let mut refused =
        |method, value| connection.call(method, &params(value), &[], &Options::default()).expect_err("refused");
    let error = refused("object.create", json!({"kind": "cub"}));
    assert_eq!((error.kind(), error.started()), ("invalid_params", Started::No), "{error}");
    assert_eq!(error.details()["path"], "params.kind");
    assert_eq!(refused("object.crate", json!({})).kind(), "method_not_found");
    assert!(connection.is_open());
}

#[test]
fn who_does_not_know_the_token_does_not_get_in() {
    let blender = Blender::start();
    let open = |instance| Connection::open(&instance, &Settings::default()).expect_err("refused");
    let error = open(Instance { token: "00".repeat(32), ..blender.instance() });
    assert!(matches!(error, Error::BadToken { .. }), "{error}");
    let error = open(Instance { instance: "another".to_owned(), ..blender.instance() });
    assert!(matches!(error, Error::WrongServer { .. }), "{error}");
}

#[test]
fn a_deadline_in_the_queue_is_the_servers_to_tell() {
    let blender = Blender::stuck();
    let options = Options::within(Duration::from_millis(100));
    let error = blender.connect().call("scene.get", &params(json!({})), &[], &options).expect_err("nobody takes it");
    assert_eq!((error.kind(), error.started(), error.retryable()), ("expired_in_queue", Started::No, true), "{error}");
}

#[test]
fn what_waits_can_be_cancelled() {
    let blender = Blender::stuck();
    let mut connection = blender.connect();
    let ticket = connection.send("scene.get", &params(json!({})), &[], &Options::default()).expect("sent");
    let outcome = connection.cancel(&ticket, Duration::from_secs(5)).expect("answered");
    assert_eq!(outcome, CancelOutcome::Dequeued);
    assert_eq!(connection.wait(ticket).expect_err("cancelled").kind(), "cancelled");
}

#[test]
fn a_stopped_server_answers_and_leaves_nothing() {
    let blender = Blender::stuck();
    let mut connection = blender.connect();
    let ticket = connection.send("scene.get", &params(json!({})), &[], &Options::default()).expect("sent");
    connection.call_typed::<Ping>(&Nothing {}, &[], &Options::default()).expect("so the other has arrived");
    blender.handle.stop();
    let error = connection.wait(ticket).expect_err("stopped");
    assert_eq!((error.kind(), error.started()), ("shutting_down", Started::No), "{error}");
    let error = connection.call("scene.get", &params(json!({})), &[], &Options::default()).expect_err("gone");
    assert!(matches!(error, Error::Disconnected { .. }), "{error}");
    assert!(list(blender.folder.path()).expect("readable").instances.is_empty());
}

/// Many clients with many requests in flight: every reply reaches its own caller.
#[test]
fn nothing_is_mixed() {
    let blender = Blender::start();
    let instance = blender.instance();
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let instance = instance.clone();
            thread::spawn(move || {
                let mut connection = Connection::open(&instance, &Settings::default()).expect("connected");
                let tickets: Vec<_> = (0..100)
                    .map(|n| {
                        let code = format!("{client}.{n}");
                        let sent = connection.send(
                            "script.run",
                            &params(json!({"code": code})),
                            code.as_bytes(),
                            &Options::default(),
                        );
                        (sent.expect("sent"), code)
                    })
                    .collect();
                for (ticket, code) in tickets.into_iter().rev() {
                    let reply = connection.wait(ticket).expect("answered");
                    assert_eq!(reply.read::<Value>().expect("JSON")["code"], code.as_str());
                    assert_eq!(reply.blob, code.as_bytes());
                }
                client
            })
        })
        .collect();
    let done: BTreeSet<i32> = clients.into_iter().map(|client| client.join().expect("no panic")).collect();
    assert_eq!(done.len(), 16);
}

/// Jobs belong to the client: whoever comes again under its id finds them, and nobody else does.
#[test]
fn a_client_that_keeps_its_id_finds_its_jobs() {
    let blender = Blender::start();
    let connect = |id: Option<&str>| {
        let settings = Settings { client_id: id.map(str::to_owned), ..Settings::default() };
        Connection::open(&blender.instance(), &settings).expect("connected")
    };
    let options = Options { detach: true, ..Options::default() };
    let reply = connect(Some("pipeline-7")).call("scene.get", &params(json!({})), &[], &options).expect("accepted");
    let Detached { job } = reply.read().expect("a job");
    for (id, expected) in [(Some("pipeline-7"), vec![&job]), (Some("pipeline-8"), vec![]), (None, vec![])] {
        let (list, _) = connect(id).call_typed::<ListAll>(&Nothing {}, &[], &Options::default()).expect("answered");
        assert_eq!(list.jobs.iter().map(|job| &job.job).collect::<Vec<_>>(), expected, "{id:?}");
    }
}

/// The file of a running server tells what is open in Blender now.
#[test]
fn a_server_is_read_again() {
    let blender = Blender::stuck();
    let instance = blender.instance();
    let now = || renew(&instance, blender.folder.path()).expect("readable").map(|now| now.file);
    blender.handle.set_file("/models/table.blend").expect("written");
    assert_eq!(now().as_deref(), Some("/models/table.blend"));
    blender.handle.stop();
    assert_eq!(now(), None);
}
