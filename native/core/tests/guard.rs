//! The guard, seen through the socket: levels, refusals, `script.check`, the log and the metrics. What the user is asked is
//! in consent.rs; which scripts are dangerous is spindle-guard's own.

mod support;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use spindle_core::settings::Settings;
use spindle_protocol::finding::Level;
use spindle_protocol::limits::SCRIPT_BYTES;
use support::{Harness, Peer, kind};

const DANGEROUS: &str = "import os\nos.system('x')";
const HARMLESS: &str = "1 + 1";
const UNREADABLE: &str = "def";

/// An operator that runs any script.
const OPERATOR: &str = "script.python_file_run";

fn at(level: Level) -> impl Fn(&mut Settings) {
    move |settings| settings.guard_level = level
}

/// The same script, long enough for the check worker.
fn long(code: &str) -> String {
    format!("#{}\n{code}", " ".repeat(10_000))
}

/// Each counter of the page whose name begins like this, by the rest of its name, where it counted anything.
fn counted(peer: &mut Peer, name: &str) -> Vec<(String, String)> {
    let text = peer.call("metrics", json!({}))["result"]["text"].as_str().expect("a text").to_owned();
    let counters = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    counters.filter(|(_, value)| *value != "0").map(|(rest, value)| (rest.to_owned(), value.to_owned())).collect()
}

/// A refusal says who refused, why, where, and what to do; nothing ran.
fn check_refusal(reply: &Value, by: &str, level: Level, line: Option<u64>) {
    let (message, data) = (reply["error"]["message"].as_str().unwrap_or_default(), &reply["error"]["data"]);
    assert_eq!((kind(reply), &data["refused_by"]), ("script_refused", &json!(by)), "{reply}");
    assert_eq!((&data["started"], &data["retryable"]), (&json!(false), &json!(false)));
    assert_eq!((&data["level"], &data["policy"]), (&json!(level.name()), &json!(spindle_guard::POLICY)));
    assert_eq!(reply["error"]["code"], -32026);
    let Some(line) = line else { return };
    let dangers = data["findings"].as_array().expect("findings");
    let danger = dangers.iter().find(|finding| finding["severity"] == "danger").expect("a danger");
    assert_eq!(danger["line"], line, "{reply}");
    for part in ["rule", "reason"] {
        assert!(message.contains(danger[part].as_str().expect(part)), "{message}");
    }
    assert!(message.contains(&format!("line {line}, ")), "{message}");
}

/// BUG-005, BUG-012: what becomes of each kind of script at each level, judged at once or by the check worker.
#[test]
fn levels() {
    let rows = [
        (Level::Trusted, true, [(DANGEROUS, None), (HARMLESS, None), (UNREADABLE, None)]),
        (Level::Guarded, true, [(DANGEROUS, Some("policy")), (HARMLESS, None), (UNREADABLE, None)]),
        (Level::Ask, false, [(DANGEROUS, Some("no_window")), (HARMLESS, None), (UNREADABLE, None)]),
        (Level::Locked, true, [DANGEROUS, HARMLESS, UNREADABLE].map(|code| (code, Some("policy")))),
    ];
    for (level, window, scripts) in rows {
        let harness = Harness::start_with(window, at(level));
        let mut peer = harness.client("a");
        for (code, refused) in scripts {
            for (code, line) in [(code.to_owned(), 2), (long(code), 3)] {
                let id = peer.request("script.run", json!({"code": code}));
                if let Some(by) = refused {
                    let line = Some(line).filter(|_| code.ends_with(DANGEROUS) && level != Level::Locked);
                    check_refusal(&peer.receive().0, by, level, line);
                    continue;
                }
                let (ticket, admitted) = harness.take();
                let report = admitted.report().expect("it was judged");
                assert_eq!(report.dangerous, code.ends_with(DANGEROUS), "what is let pass is told");
                assert_eq!(report.unreadable.is_some(), code.ends_with(UNREADABLE));
                harness.reply(ticket);
                assert_eq!(peer.receive().0["id"], id);
            }
        }
        assert!(harness.handle.take(Duration::ZERO).is_none(), "nothing that was refused runs");
        assert_eq!(peer.call("health", json!({}))["result"]["guard"], level.name());
    }
}

/// BUG-012: what runs any code is judged too where it is an operator; at `locked` the typed methods run.
#[test]
fn operators_by_name() {
    for (level, refused) in [(Level::Trusted, false), (Level::Guarded, true), (Level::Locked, true)] {
        let harness = Harness::start(at(level));
        let mut peer = harness.client("a");
        peer.request("operator.call", json!({"operator": OPERATOR, "properties": {"filepath": "/tmp/a.py"}}));
        if refused {
            check_refusal(&peer.receive().0, "policy", level, None);
        } else {
            let (ticket, admitted) = harness.take();
            assert!(admitted.report().expect("it was judged").dangerous);
            harness.reply(ticket);
            peer.receive();
        }
        peer.request("operator.call", json!({"operator": "mesh.primitive_cube_add"}));
        let (ticket, _) = harness.take();
        harness.reply(ticket);
        assert_eq!(peer.receive().0["result"]["ran"], true, "{level:?}");
        peer.request("object.get", json!({"name": "Cube"}));
        let (ticket, _) = harness.take();
        harness.reply(ticket);
        assert_eq!(peer.receive().0["result"]["ran"], true, "{level:?}");
    }
}

/// BUG-005: no request chooses the level, whatever it says.
#[test]
fn no_request_changes_the_level() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let rows = [
        (json!({"code": DANGEROUS, "guard_level": "trusted"}), json!({}), "invalid_params"),
        (json!({"code": DANGEROUS}), json!({"guard_level": "trusted"}), "invalid_request"),
        (json!({"code": DANGEROUS}), json!({"effect": "read", "label": "trusted"}), "script_refused"),
        (json!({"code": DANGEROUS}), json!({"detach": false, "idempotency_key": "k"}), "script_refused"),
        (json!({"code": DANGEROUS, "args": {"trusted": true}, "name": "trusted.py"}), json!({}), "script_refused"),
    ];
    for (params, options, expected) in rows {
        peer.request_with("script.run", params, options);
        let (reply, _) = peer.receive();
        assert_eq!(kind(&reply), expected, "{reply}");
    }
    assert!(harness.handle.take(Duration::ZERO).is_none());
}

/// EDGE: a script that is too long names the limit, its value, and what to do; the protocol has a bound of its own.
#[test]
fn max_script_bytes() {
    let harness = Harness::start(|settings| settings.limits.max_script_bytes = 1000);
    let mut peer = harness.client("a");
    let fits = |peer: &mut Peer, bytes| {
        peer.request("script.run", json!({"code": "1".repeat(bytes)}));
        let (ticket, _) = harness.take();
        harness.reply(ticket);
        assert_eq!(peer.receive().0["result"]["ran"], true);
    };
    fits(&mut peer, 1000);
    for (bytes, limit) in [(1001, 1000), (5000, 1000), (SCRIPT_BYTES, 1000), (SCRIPT_BYTES + 1, SCRIPT_BYTES)] {
        for method in ["script.run", "script.check"] {
            let refused = peer.call(method, json!({"code": "1".repeat(bytes)}));
            let (message, data) = (refused["error"]["message"].as_str().expect("a text"), &refused["error"]["data"]);
            assert_eq!((kind(&refused), &data["path"]), ("invalid_params", &json!("params.code")));
            assert!(message.contains(&format!("{bytes} bytes, the limit is {limit}")), "{message}");
            let setting = if limit == 1000 { json!("max_script_bytes") } else { Value::Null };
            assert_eq!(data["setting"], setting, "{refused}");
        }
    }
    let long = peer.call("script.check", json!({"code": "\u{1}".repeat(SCRIPT_BYTES), "pad": " ".repeat(10_000)}));
    assert_eq!((kind(&long), &long["error"]["data"]["path"]), ("invalid_params", &json!("params")), "{long}");
    let roomy = Harness::start(|settings| settings.limits.max_script_bytes = SCRIPT_BYTES as u32);
    let mut peer = roomy.client("a");
    peer.request("script.run", json!({"code": "1".repeat(SCRIPT_BYTES)}));
    let (ticket, _) = roomy.take();
    roomy.reply(ticket);
    assert_eq!(peer.receive().0["result"]["ran"], true);
}

/// `script.check` tells what would become of a script, while Blender is busy, without running it.
#[test]
fn script_check() {
    use Level::{Ask, Guarded, Locked, Trusted};
    let rows = [
        (Trusted, true, ["runs", "runs", "unreadable"]),
        (Guarded, true, ["refused", "runs", "unreadable"]),
        (Ask, true, ["asks", "runs", "unreadable"]),
        (Ask, false, ["refused", "runs", "unreadable"]),
        (Locked, true, ["refused", "refused", "refused"]),
    ];
    for (level, window, verdicts) in rows {
        let harness = Harness::start_with(window, at(level));
        let mut busy = harness.client("busy");
        busy.request("object.get", json!({"name": "x"}));
        let _running = harness.take();
        let mut peer = harness.client("a");
        for (code, verdict) in [DANGEROUS, HARMLESS, UNREADABLE].into_iter().zip(verdicts) {
            for code in [code.to_owned(), long(code)] {
                let result = &peer.call("script.check", json!({"code": code}))["result"];
                assert_eq!((&result["verdict"], &result["level"]), (&json!(verdict), &json!(level.name())), "{code}");
                assert_eq!(result["findings"].as_array().map(Vec::is_empty), Some(!code.ends_with(DANGEROUS)));
                assert_eq!(result["unreadable"].is_object(), code.ends_with(UNREADABLE));
            }
        }
        assert_eq!(peer.call("health", json!({}))["result"]["queued"], 0);
    }
}

/// A look at a large script has its id in flight until it is answered, which is once; and looks are bounded.
#[test]
fn large_looks_are_requests_like_others() {
    let harness = Harness::start(|settings| settings.limits.max_script_bytes = SCRIPT_BYTES as u32);
    let mut peer = harness.client("a");
    let request = |id: usize, method, params| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let check = |id| request(id, "script.check", json!({"code": format!("{id}\nx = [{}]", "1, ".repeat(80_000))}));
    // The worker takes far longer for each than it takes to come in.
    for id in 0..40 {
        peer.send(&check(id), &[]);
        peer.send(&request(id, "ping", json!({})), &[]);
    }
    let replies: Vec<Value> = (0..80).map(|_| peer.receive().0).collect();
    let count = |what: &str| replies.iter().filter(|reply| kind(reply) == what).count();
    let of = |member: &str| replies.iter().filter(|reply| !reply["result"][member].is_null()).count();
    assert!(of("verdict") >= 16 && count("queue_full") > 0, "{} looks, then it is full", of("verdict"));
    assert_eq!(of("verdict") + count("queue_full"), 40, "each is answered once");
    assert!(count("duplicate_id") > 0, "an id that waits for its look is in flight");
    assert_eq!(of("pong") + count("duplicate_id"), 40);
    peer.send(&check(99), &[]);
    drop(peer);
    assert_eq!(harness.client("b").call("ping", json!({}))["result"]["pong"], true, "what nobody waits for is dropped");
}

/// A script that was judged before costs a look-up, for whatever is asked about it.
#[test]
fn verdicts_are_kept() {
    let harness = Harness::start(|settings| settings.limits.max_verdicts = 4);
    let mut peer = harness.client("a");
    for (method, code) in [("script.check", HARMLESS), ("script.check", HARMLESS), ("script.run", DANGEROUS)] {
        peer.call(method, json!({"code": code}));
    }
    peer.call("script.check", json!({"code": DANGEROUS}));
    assert_eq!(counted(&mut peer, "spindle_verdict_cache_hits_total"), [(String::new(), "2".to_owned())]);
    assert_eq!(counted(&mut peer, "spindle_verdict_cache_misses_total"), [(String::new(), "2".to_owned())]);
    for number in 0..10 {
        peer.call("script.check", json!({"code": number.to_string()}));
    }
    peer.call("script.check", json!({"code": HARMLESS}));
    assert_eq!(counted(&mut peer, "spindle_verdict_cache_misses_total"), [(String::new(), "13".to_owned())]);
    let verdicts = counted(&mut peer, "spindle_checks_total");
    let expected = [("{verdict=\"refused\"}", "2"), ("{verdict=\"runs\"}", "13")];
    assert_eq!(verdicts, expected.map(|(name, count)| (name.to_owned(), count.to_owned())));
}

/// DROP_CLASSES: a refusal is counted once, as `policy`, whoever made it; so is one that Blender's part makes before
/// anything has run.
#[test]
fn refusals_are_counted_once_as_policy() {
    let harness = Harness::start(|_| {});
    let mut peer = harness.client("a");
    let policy = |peer: &mut Peer| counted(peer, "spindle_messages_refused_total");
    peer.call("script.run", json!({"code": DANGEROUS}));
    peer.call("script.run", json!({"code": long(DANGEROUS)}));
    peer.request_with("script.run", json!({"code": DANGEROUS}), json!({"detach": true}));
    let job = peer.receive().0["result"]["job"].clone();
    assert_eq!(peer.call("job.wait", json!({"job": job}))["result"]["error"]["data"]["kind"], "script_refused");
    assert_eq!(policy(&mut peer), [("{class=\"policy\"}".to_owned(), "3".to_owned())]);
    peer.request("file.open", json!({"path": "/etc/passwd"}));
    let (ticket, _) = harness.take();
    let error = spindle_protocol::error::WireError::new(spindle_protocol::error::Kind::PathNotAllowed, "no");
    harness.handle.fail(ticket, &error);
    harness.handle.fail(ticket, &error);
    assert_eq!(kind(&peer.receive().0), "path_not_allowed");
    assert_eq!(policy(&mut peer), [("{class=\"policy\"}".to_owned(), "4".to_owned())]);
}

/// REQUEST_LOG: what was refused never reached Blender, and is seen in the log all the same; what ran has its rules there.
#[test]
fn the_log_tells_the_rules() {
    let harness = Harness::start(at(Level::Guarded));
    harness.client("attacker").call("script.run", json!({"code": DANGEROUS}));
    harness.handle.stop();
    let trusting = Harness::start(at(Level::Trusted));
    let mut peer = trusting.client("a");
    peer.request("script.run", json!({"code": DANGEROUS}));
    let (ticket, admitted) = trusting.take();
    let rule = admitted.report().expect("judged").findings[0].rule.clone();
    let notes = vec!["watch:os.system".to_owned(), "left:timers".to_owned(), rule.clone()];
    let ending = spindle_core::handle::Ending { notes, ..spindle_core::handle::Ending::ok() };
    trusting.handle.reply(ticket, support::raw(&json!({})), Vec::new(), ending);
    peer.receive();
    trusting.handle.stop();
    let log = |harness: &Harness| -> Vec<Value> {
        let files = fs::read_dir(harness.dir.path().join("log")).expect("the log");
        let paths = files.map(|file| file.expect("listed").path());
        let texts = paths.filter(|path| path.extension().is_some_and(|it| it == "jsonl")).map(fs::read_to_string);
        let lines = texts.flat_map(|text| text.expect("UTF-8").lines().map(str::to_owned).collect::<Vec<_>>());
        lines.map(|line| serde_json::from_str(&line).expect("JSON")).collect()
    };
    let refused = log(&harness).into_iter().find(|line| line["event"] == "script_refused").expect("a line");
    let text = refused["text"].as_str().expect("a text");
    let digest = spindle_protocol::log::Script::of("", DANGEROUS).digest;
    assert!([&digest, "attacker", rule.as_str()].iter().all(|part| text.contains(*part)), "{text}");
    let ran = log(&trusting).into_iter().find(|line| line["method"] == "script.run").expect("a line");
    let notes: Vec<&str> = ran["notes"].as_array().expect("notes").iter().filter_map(Value::as_str).collect();
    assert!(notes.is_sorted() && notes.contains(&rule.as_str()) && notes.contains(&"watch:os.system"), "{notes:?}");
    assert_eq!(notes.iter().filter(|note| **note == rule).count(), 1, "each once");
}
