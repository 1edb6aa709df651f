//! docs/protocol.md says what the code does: its frames decode, its examples are messages, its proof
//! recomputes, and its tables hold the code's own names and numbers.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, to_value};
use sha2::Sha256;
use spindle_protocol::envelope::{Cached, Incoming, Request};
use spindle_protocol::error::Kind;
use spindle_protocol::finding::{Finding, Level};
use spindle_protocol::frame::{Decoder, FrameLimits};
use spindle_protocol::hello::{Greeting, Hello, Nonce, Role, Token, Transcript, Welcome};
use spindle_protocol::limits;
use spindle_protocol::method::{self, Descriptor, METHODS, Method};
use spindle_protocol::methods::control::{CancelOutcome, HealthReport, State};
use spindle_protocol::methods::job::{self, Detached, JobReport, JobState};
use spindle_protocol::methods::render::RenderedAnimation;
use spindle_protocol::methods::script::{CheckResult, RunResult, Status, Verdict};
use spindle_protocol::methods::watch::Activity;
use spindle_protocol::notification::{Output, ProgressOf};

const DOC: &str = include_str!("../../../docs/protocol.md");

/// Every fenced block: what stands behind the opening fence, and the text inside.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts: Vec<&str> = DOC.split("```").collect();
    assert_eq!(parts.len() % 2, 1, "every fence is closed");
    parts.iter().skip(1).step_by(2).map(|part| part.split_once('\n').expect("a fence ends its line")).collect()
}

fn block(info: &str) -> &'static str {
    let mut found = blocks().into_iter().filter(|(other, _)| *other == info);
    let (_, text) = found.next().expect(info);
    assert_eq!(found.next(), None, "one block is {info:?}");
    text
}

/// The body rows of the table under a heading, each cell without its back-ticks.
fn table(heading: &str) -> Vec<Vec<String>> {
    let (_, section) = DOC.split_once(&format!("\n{heading}\n")).expect(heading);
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn first_column(heading: &str) -> Vec<String> {
    table(heading).into_iter().map(|row| row[0].clone()).collect()
}

/// The bytes of a dump: an offset, the bytes, and behind `|` what a person reads.
fn dumped(text: &str) -> Vec<u8> {
    let rows = text.lines().filter_map(|line| line.split('|').next());
    let digits = rows.flat_map(|row| row.split_whitespace().skip(1));
    digits.map(|digits| u8::from_str_radix(digits, 16).expect(digits)).collect()
}

fn dump(bytes: &[u8]) -> String {
    let row = |(index, bytes): (usize, &[u8])| {
        let digits: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let shown = bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' });
        format!("{:04x} {digits:<48}  |{}|\n", index * 16, shown.collect::<String>())
    };
    bytes.chunks(16).enumerate().map(row).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A message is what it is called; the parameters of a request fit its method.
fn check_message(what: &str, text: &[u8]) {
    match (what, Request::parse(text), Incoming::parse(text)) {
        ("request", Ok(request), _) if request.method == "hello" => {}
        ("request", Ok(request), _) => {
            let method = method::find(&request.method).expect("a method");
            method.read(&request.params).expect("its parameters");
        }
        ("reply", _, Ok(Incoming::Reply { outcome: Err(error), .. })) => {
            let kind = error.data.kind;
            assert_eq!((error.code, error.data.retryable), (kind.code(), kind.retryable()), "{kind:?}");
        }
        ("reply", _, Ok(Incoming::Reply { outcome: Ok(_), .. })) => {}
        ("notification", _, Ok(Incoming::Notification { .. })) => {}
        (_, request, incoming) => panic!("no {what}: {request:?} {incoming:?}"),
    }
}

#[test]
fn frames_decode_to_what_stands_below_them() {
    let blocks = blocks();
    let frames = blocks.iter().enumerate().filter_map(|(index, (info, text))| {
        let below = |offset: usize, info: &str| blocks.get(index + offset).filter(|block| block.0 == info);
        Some((info.strip_prefix("frame ")?, *text, below(1, "json").expect("the JSON").1, below(2, "blob")))
    });
    let mut count = 0;
    for (what, text, message, blob) in frames {
        let bytes = dumped(text);
        assert_eq!(text, dump(&bytes));
        let mut decoder = Decoder::new(FrameLimits::AUTHENTICATED);
        decoder.feed(&bytes);
        let frame = decoder.next_frame().expect("sound").expect("whole");
        assert!(!decoder.in_mid_frame(), "nothing is left over");
        check_message(what, &frame.json);
        assert_eq!(json(&String::from_utf8_lossy(&frame.json)), json(message));
        assert_eq!(frame.blob, blob.map_or(Vec::new(), |(_, text)| dumped(text)), "{message}");
        count += 1;
    }
    assert!(count >= 6, "only {count} frames");
}

#[test]
fn example_messages_are_messages() {
    let examples = blocks().into_iter().filter_map(|(info, text)| Some((info.strip_prefix("json ")?, text)));
    for (info, text) in examples {
        check_message(info.split(' ').next().expect("a word"), text.as_bytes());
    }
}

/// What an example holds is of this type: it has every member of it, and no other.
fn has_all_of<T: DeserializeOwned + Serialize>(example: &Value) {
    let read: T = serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{error}: {example}"));
    assert_eq!(&to_value(read).expect("JSON"), example);
}

#[test]
fn examples_have_the_members_of_their_types() {
    let example = |info: &str, member: &str| json(block(info))[member].take();
    has_all_of::<RunResult>(&example("json reply script.run", "result"));
    has_all_of::<CheckResult>(&example("json reply script.check", "result"));
    let refused = example("json reply script_refused", "error");
    let findings: Vec<Finding> = from_value(refused["data"]["findings"].clone()).expect("findings");
    assert_eq!(to_value(findings).expect("JSON"), refused["data"]["findings"]);
    has_all_of::<HealthReport>(&example("json reply health", "result"));
    has_all_of::<Activity>(&example("json reply stats", "result"));
    has_all_of::<Detached>(&example("json reply detach", "result"));
    has_all_of::<ProgressOf>(&example("json notification progress", "params"));
    let report = example("json reply job.wait", "result");
    has_all_of::<JobReport>(&report);
    has_all_of::<RenderedAnimation>(&report["result"]);
    let framed: Vec<Value> = blocks().iter().filter(|(info, _)| *info == "json").map(|(_, text)| json(text)).collect();
    let output = framed.iter().find(|message| message["method"] == "output").expect("an output");
    has_all_of::<Output>(&output["params"]);
    let cached = framed.iter().find(|message| !message["cached"].is_null()).expect("a kept answer");
    has_all_of::<Cached>(&cached["cached"]);
}

#[test]
fn the_proof_recomputes() {
    let rows = table("### A worked example");
    let given = |name: &str| rows.iter().find(|row| row[0] == name).expect(name)[1].clone();
    let nonce = |name| Nonce::from_hex(&given(name)).expect("64 digits");
    let token = Token::from_hex(&given("token")).expect("64 digits");
    let (instance, client_id) = (given("instance id"), given("client id"));
    let transcript = Transcript {
        server_nonce: nonce("server nonce"),
        client_nonce: nonce("client nonce"),
        instance: &instance,
        port: given("port").parse().expect("a port"),
        client_id: &client_id,
    };
    assert_eq!(transcript.prove(Role::Client, &token), given("client proof"));
    assert_eq!(transcript.prove(Role::Server, &token), given("server proof"));
    assert_eq!(given("client proof"), include_str!("../testdata/client_proof.hex").trim());

    let mut mac = Hmac::<Sha256>::new_from_slice(&hex::decode(given("token")).expect("hex")).expect("any length");
    mac.update(&dumped(block("hex proof")));
    assert_eq!(hex::encode(mac.finalize().into_bytes()), given("client proof"));
}

/// The frames of the handshake are those of the worked example.
#[test]
fn the_handshake_is_the_worked_example() {
    fn said<T: DeserializeOwned>(member: &str) -> T {
        let messages = blocks().into_iter().filter(|(info, _)| *info == "json").map(|(_, text)| json(text));
        messages.filter_map(|mut message| serde_json::from_value(message[member].take()).ok()).next().expect(member)
    }
    let rows = table("### A worked example");
    let given = |name: &str| rows.iter().find(|row| row[0] == name).expect(name)[1].clone();
    let (greeting, hello, welcome): (Greeting, Hello, Welcome) = (said("params"), said("params"), said("result"));
    assert_eq!((greeting.instance, greeting.nonce), (given("instance id"), given("server nonce")));
    assert_eq!((hello.client.0.id, hello.nonce), (given("client id"), given("client nonce")));
    assert_eq!((hello.proof, welcome.proof), (given("client proof"), given("server proof")));
}

#[test]
fn the_table_of_errors_is_the_codes() {
    let row = |kind: &Kind| {
        let retryable = if kind.retryable() { "yes" } else { "no" };
        let meaning = kind.summary().trim().replace('`', "");
        vec![kind.code().to_string(), kind.name().to_owned(), retryable.to_owned(), meaning]
    };
    assert_eq!(table("### Every kind"), Kind::ALL.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_table_of_methods_is_the_codes() {
    let row = |method: &Descriptor| {
        let effect = to_value(method.effect).expect("a name").as_str().expect("a name").to_owned();
        let deadline = method.deadline.map_or("none".to_owned(), |deadline| format!("{} s", deadline.as_secs()));
        let deadline = match method.name {
            job::Wait::NAME => "timeout_ms".to_owned(),
            _ if method.is_control() => "at once".to_owned(),
            _ => deadline,
        };
        vec![method.name.to_owned(), effect, deadline, method.summary.replace('`', "")]
    };
    assert_eq!(table("## Methods"), METHODS.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn the_methods_whose_answers_are_kept_are_named() {
    let kept: Vec<String> =
        METHODS.iter().filter(|method| method.cacheable).map(|method| format!("`{}`", method.name)).collect();
    let (last, others) = kept.split_last().expect("some");
    let (_, section) = DOC.split_once("\n## Kept answers\n").expect("the section");
    let sentence = section.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = format!("The answers of {} and {last} are kept", others.join(", "));
    assert!(sentence.starts_with(&expected), "{expected}");
}

#[test]
fn the_table_of_limits_is_the_codes() {
    let range = |[least, most]: [u64; 2]| format!("{least} to {most}");
    let constants = [
        ("PROTOCOL_VERSIONS", range(limits::PROTOCOL_VERSIONS.map(u64::from))),
        ("HEADER_BYTES", limits::HEADER_BYTES.to_string()),
        ("UNAUTHENTICATED_JSON_BYTES", limits::UNAUTHENTICATED_JSON_BYTES.to_string()),
        ("JSON_BYTES", limits::JSON_BYTES.to_string()),
        ("BLOB_BYTES", limits::BLOB_BYTES.to_string()),
        ("JSON_DEPTH", limits::JSON_DEPTH.to_string()),
        ("STRING_BYTES", limits::STRING_BYTES.to_string()),
        ("ARRAY_ITEMS", limits::ARRAY_ITEMS.to_string()),
        ("OBJECT_KEYS", limits::OBJECT_KEYS.to_string()),
        ("ID_CHARS", limits::ID_CHARS.to_string()),
        ("ID_INTEGER", limits::ID_INTEGER.to_string()),
        ("META_BYTES", limits::META_BYTES.to_string()),
        ("METHOD_BYTES", limits::METHOD_BYTES.to_string()),
        ("CLIENT_ID_CHARS", limits::CLIENT_ID_CHARS.to_string()),
        ("LABEL_CHARS", limits::LABEL_CHARS.to_string()),
        ("NAME_BYTES", limits::NAME_BYTES.to_string()),
        ("SCRIPT_BYTES", limits::SCRIPT_BYTES.to_string()),
        ("FINDINGS", limits::FINDINGS.to_string()),
        ("PATH_BYTES", limits::PATH_BYTES.to_string()),
        ("QUERY_CHARS", limits::QUERY_CHARS.to_string()),
        ("ERROR_TEXT_CHARS", limits::ERROR_TEXT_CHARS.to_string()),
        ("NONCE_BYTES", limits::NONCE_BYTES.to_string()),
        ("DEADLINE_MS", range(limits::DEADLINE_MS)),
        ("KEY_CHARS", limits::KEY_CHARS.to_string()),
        ("MAX_AGE_MS", limits::MAX_AGE_MS.to_string()),
        ("JOB_WAIT_MS", limits::JOB_WAIT_MS.to_string()),
        ("HELLO_DEADLINE", format!("{} s", limits::HELLO_DEADLINE.as_secs())),
    ];
    let rows = table("### Limits of the protocol");
    let written: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].replace(',', ""))).collect();
    assert_eq!(written, constants);
    let source = include_str!("../src/limits.rs").lines().filter_map(|line| line.strip_prefix("pub const "));
    let defined: BTreeSet<_> = source.filter_map(|line| line.split(':').next()).collect();
    assert_eq!(defined, constants.iter().map(|(name, _)| *name).collect(), "each constant has its row");
}

/// A table that explains the names of an enumeration has a row for each, in order.
#[test]
fn every_name_has_its_row() {
    fn names<T: Serialize>(values: &[T]) -> Vec<String> {
        let name = |value| to_value(value).expect("a name").as_str().expect("a name").to_owned();
        values.iter().map(name).collect()
    }
    use CancelOutcome::{Dequeued, Finished, Interrupting, NotInterruptible};
    assert_eq!(first_column("### `cancel`"), names(&[Dequeued, Interrupting, NotInterruptible, Finished]));
    assert_eq!(first_column("### `health`"), names(&[State::Ready, State::Busy, State::Blocked, State::Stopping]));
    let statuses = [Status::Ok, Status::Raised, Status::TimedOut, Status::Cancelled];
    assert_eq!(first_column("### How a script ended"), names(&statuses));
    let described = &method::find("health").expect("a method").to_json()["result"]["properties"]["alerts"]["items"];
    let alerts = described["properties"]["name"]["description"].as_str().expect("a description");
    assert_eq!(first_column("#### Alerts"), alerts.split('`').skip(1).step_by(2).collect::<Vec<_>>());
    let verdicts = [Verdict::Runs, Verdict::Asks, Verdict::Refused, Verdict::Unreadable];
    assert_eq!(first_column("### `script.check`"), names(&verdicts));
    assert_eq!(first_column("### The guard's level"), names(Level::ALL));
    let states = [JobState::Queued, JobState::Running, JobState::Done];
    assert_eq!(first_column("### A job's states"), names(&states));
}
