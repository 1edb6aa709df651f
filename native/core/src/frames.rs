//! What the server says, as frames.

use serde::Serialize;
use serde_json::value::RawValue;
use spindle_protocol::envelope::{self, Cached, Reply, RequestId};
use spindle_protocol::error::{Kind, Started, WireError};
use spindle_protocol::frame;
use spindle_protocol::notification::{self, Notification, ProgressOf};

use crate::feed::{News, Piece};
use crate::jobs::Outcome;
use crate::keys::Address;
use crate::outbox::{Lane, Outgoing};

/// The frame of a result. One that is too large for a frame becomes the error that says so.
pub fn result_frame(id: &RequestId, result: &RawValue, blob: &[u8]) -> Vec<u8> {
    reply_frame(id, &Reply::new(Some(id), envelope::Outcome::Result(result)), blob)
}

/// The frame of a result that was kept.
pub fn cached_frame(id: &RequestId, result: &RawValue, blob: &[u8], cached: Cached) -> Vec<u8> {
    let mut reply = Reply::new(Some(id), envelope::Outcome::Result(result));
    reply.cached = Some(cached);
    reply_frame(id, &reply, blob)
}

/// The frame of what a request came to.
pub fn outcome_frame(id: &RequestId, outcome: &Outcome) -> Vec<u8> {
    match outcome {
        Outcome::Result(json, blob) => result_frame(id, json, blob),
        Outcome::Error(error) => error_frame(Some(id), error),
    }
}

/// The frame of an error.
pub fn error_frame(id: Option<&RequestId>, error: &WireError) -> Vec<u8> {
    let reply = Reply::new(id, envelope::Outcome::Error(error));
    let json = serde_json::to_vec(&reply).expect("an error is always JSON");
    frame::encode(&json, &[]).expect("an error's text is bounded, and its details are small")
}

/// What a request has told, for somebody who waits for it.
pub fn news_frames(address: &Address, news: News) -> Vec<Outgoing> {
    let News { output, progress } = news;
    let mut frames: Vec<Vec<u8>> = output.into_iter().map(|piece| output_frame(&address.id, piece)).collect();
    frames.extend(progress.map(|progress| {
        let id = address.id.clone();
        notification_frame("progress", &ProgressOf { id, progress })
    }));
    let connection = address.connection;
    frames.into_iter().map(|bytes| Outgoing { connection, lane: Lane::News, bytes }).collect()
}

fn output_frame(id: &RequestId, piece: Piece) -> Vec<u8> {
    let Piece { stream, text, omitted } = piece;
    notification_frame("output", &notification::Output { id: id.clone(), stream, text, omitted })
}

fn notification_frame(method: &str, params: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_vec(&Notification::new(method, params)).expect("a notification is plain JSON");
    frame::encode(&json, &[]).expect("what is told at once is bounded")
}

fn reply_frame(id: &RequestId, reply: &Reply<'_>, blob: &[u8]) -> Vec<u8> {
    let json = serde_json::to_vec(reply).map_err(|error| error.to_string());
    let framed = json.and_then(|json| frame::encode(&json, blob).map_err(|error| error.to_string()));
    framed.unwrap_or_else(|text| {
        let text = format!("the request ran, but its result cannot be sent: {text}");
        error_frame(Some(id), &WireError::started(Kind::BadResult, Started::Yes, text))
    })
}
