//! Any bytes as a message, read as the server and as the client read it: no panic; what is accepted
//! has one meaning, and what is answered can be read by the other side.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use spindle_fuzz::tree::Tree;
use spindle_protocol::envelope::{BadRequest, Incoming, Outcome, Reply, Request, RequestId};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::limits::{ERROR_TEXT_CHARS, ID_CHARS, ID_INTEGER};
use spindle_protocol::method::{Descriptor, find};
use spindle_protocol::{frame, json};

fuzz_target!(|message: &[u8]| {
    rules(message);
    match Request::parse(message) {
        Ok(request) => accepted(message, &request),
        Err(bad) => refused(message, &bad),
    }
    incoming(message);
});

/// The rules for JSON agree with a second reading of them. Returns what lawful JSON says.
fn rules(json: &[u8]) -> Option<Tree> {
    let tree = serde_json::from_slice::<Tree>(json).ok().filter(|tree| tree.is_lawful(0));
    let checked = json::check(json);
    assert_eq!(checked.is_ok(), tree.is_some(), "{checked:?}");
    tree
}

/// A request that was taken means the same to any reader.
fn accepted(message: &[u8], request: &Request) {
    survives(&request.id);
    match find(&request.method).map(|method| (method, method.read(&request.params))) {
        Some((method, Ok(params))) => complete(method, &raw(&params)),
        Some((_, Err(error))) => answerable(Some(&request.id), &error),
        None => {}
    }
    let Some(params) = rules(request.params.get().as_bytes()) else { return };
    assert!(matches!(params, Tree::Object(_)));
    if let Some(meta) = &request.meta {
        assert!(matches!(rules(meta.get().as_bytes()), Some(Tree::Object(_))));
    }
    let tree: Tree = serde_json::from_slice(message).expect("a plain reader takes it");
    assert_eq!(tree.keys().len(), tree.entries().len(), "no member twice");
    let known = ["jsonrpc", "id", "method", "params", "options", "meta"];
    assert!(tree.keys().iter().all(|key| known.contains(key)), "no unknown member");
    assert_eq!(tree.get("jsonrpc"), Some(&Tree::Text("2.0".to_owned())));
    assert_eq!(tree.get("method"), Some(&Tree::Text(request.method.clone())));
    assert!(tree.get("params").is_none_or(|it| *it == params || *it == Tree::Leaf(None)));
    let id = match &request.id {
        RequestId::Integer(number) => Tree::Leaf(Some(*number as f64)),
        RequestId::Text(text) => Tree::Text(text.clone()),
    };
    assert_eq!(tree.get("id"), Some(&id));
    let options = tree.get("options").map_or(&[][..], Tree::entries);
    assert!(options.iter().all(|(key, _)| ["deadline_ms", "effect", "label"].contains(&key.as_str())));
}

/// A refusal says whether the message was JSON, and can be answered.
fn refused(message: &[u8], bad: &BadRequest) {
    match bad.error.data.kind {
        Kind::ParseError => assert!(serde_json::from_slice::<Tree>(message).is_err(), "a plain reader takes it"),
        Kind::InvalidRequest => assert!(std::str::from_utf8(message).is_ok()),
        other => panic!("{other:?}"),
    }
    answerable(bad.id.as_ref(), &bad.error);
}

/// Parameters with their defaults filled in are parameters that are taken, and nothing is left to fill in.
fn complete(method: &Descriptor, params: &RawValue) {
    let again = raw(&method.read(params).expect("complete parameters are taken"));
    let tree = |raw: &RawValue| serde_json::from_str::<Tree>(raw.get()).expect("JSON");
    assert!(tree(params).is_like(&tree(&again)), "{params} became {again}");
}

/// An error reply fits a frame, and the client reads the same error from it.
fn answerable(id: Option<&RequestId>, error: &WireError) {
    id.into_iter().for_each(survives);
    assert!(error.message.chars().count() <= ERROR_TEXT_CHARS);
    let text = serde_json::to_vec(&Reply::new(id, Outcome::Error(error))).expect("an error is JSON");
    frame::encode(&text, &[]).expect("an error fits a frame");
    match Incoming::parse(&text) {
        Ok(Incoming::Reply { id: back, outcome: Err(same), .. }) => assert_eq!((back.as_ref(), &same), (id, error)),
        other => panic!("{other:?}"),
    }
}

fn survives(id: &RequestId) {
    match id {
        RequestId::Integer(number) => assert!(*number <= ID_INTEGER),
        RequestId::Text(text) => assert!((1..=ID_CHARS).contains(&text.chars().count()) && !text.contains('\0')),
    }
    assert_eq!(serde_json::from_str::<RequestId>(raw(id).get()).expect("an id"), *id);
}

/// What the client takes from a server.
fn incoming(message: &[u8]) {
    let Ok(incoming) = Incoming::parse(message) else { return };
    if let Ok(tree) = serde_json::from_slice::<Tree>(message) {
        assert_eq!(tree.keys().len(), tree.entries().len(), "no member twice");
        assert_ne!(tree.get("id").is_some(), tree.get("method").is_some());
        assert!(!(tree.get("result").is_some() && tree.get("error").is_some_and(|it| *it != Tree::Leaf(None))));
    }
    if let Incoming::Reply { id, outcome, .. } = incoming {
        let written = match &outcome {
            Ok(result) => Outcome::Result(result),
            Err(error) => Outcome::Error(error),
        };
        let text = serde_json::to_vec(&Reply::new(id.as_ref(), written)).expect("a reply is JSON");
        match (Incoming::parse(&text), &outcome) {
            (Ok(Incoming::Reply { id: back, outcome: Ok(same), .. }), Ok(result)) => {
                assert_eq!((back, same.get()), (id, result.get()));
            }
            (Ok(Incoming::Reply { id: back, outcome: Err(same) }), Err(error)) => {
                assert_eq!((back, same.code, same.message), (id, error.code, error.message.clone()));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).expect("JSON")
}
