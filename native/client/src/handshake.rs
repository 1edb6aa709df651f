//! Greeting, hello and the mutual proof. Nothing but hello is sent before the other side has shown
//! that it knows the token.

use std::time::Instant;

use once_cell::sync::Lazy;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use spindle_protocol::envelope::{self, Incoming, RequestId};
use spindle_protocol::error::Kind;
use spindle_protocol::hello::{ClientInfo, Greeting, Hello, Nonce, Role, Token, Transcript, Welcome};
use spindle_protocol::instance::Instance;
use spindle_protocol::json::Object;
use spindle_protocol::limits::{NONCE_BYTES, PROTOCOL_VERSIONS};

use crate::error::{Error, excerpt};
use crate::fate::Fate;
use crate::request;
use crate::wire::{Halt, Settings, Wire};

/// The id of hello; later requests count up from it.
pub(crate) const HELLO_ID: u64 = 0;

/// The client id of a process that does not choose one. It holds the process id, since a forked child is a client of its own.
fn client_id() -> Result<String, Error> {
    static CHOSEN: Lazy<Result<[u8; 16], String>> = Lazy::new(random);
    let bytes = CHOSEN.clone().map_err(Error::Invalid)?;
    Ok(format!("{}-{}", hex::encode(bytes), std::process::id()))
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| format!("this system gives no random numbers: {error}"))?;
    Ok(bytes)
}

/// Take the greeting of whoever listens on `port`.
pub(crate) fn greeting(wire: &mut Wire, port: u16, until: Instant) -> Result<Greeting, Error> {
    let stranger = |heard: String| Error::NotSpindle { port, heard };
    let frame = wire.receive(until).map_err(|halt| match halt {
        Halt::Deadline | Halt::Stalled => silent(port),
        Halt::NoFrame(_, shown) => stranger(format!("it says {shown:?}")),
        halt => broken_off(halt),
    })?;
    let says = || stranger(format!("it says {:?}", excerpt(&frame.json)));
    let greeting = match Incoming::parse(&frame.json) {
        Ok(Incoming::Notification { method, params }) if method == "greeting" => read::<Greeting>(&params),
        Ok(Incoming::Reply { outcome: Err(error), .. }) => return Err(Error::Server(Box::new(error))),
        _ => None,
    };
    greeting.filter(|greeting| greeting.name == "spindle").ok_or_else(says)
}

fn silent(port: u16) -> Error {
    let what =
        format!("who listens on port {port} did not greet in time: it is not Spindle, or its process stands still");
    Error::TimedOut { what, sent: false }
}

/// Greeting, hello and both proofs, as the client of `instance`.
pub(crate) fn shake_hands(
    wire: &mut Wire,
    instance: &Instance,
    settings: &Settings,
    until: Instant,
) -> Result<Welcome, Error> {
    let port = instance.port;
    let wrong = |why: &str| Error::WrongServer { port, why: why.to_owned() };
    let token = Token::from_hex(&instance.token).ok_or_else(|| Error::Invalid("the token is malformed".to_owned()))?;
    let greeting = greeting(wire, port, until)?;
    if greeting.instance != instance.instance {
        return Err(wrong("another one has taken the port since"));
    }
    let client_id = settings.client_id.clone().map_or_else(client_id, Ok)?;
    let transcript = Transcript {
        server_nonce: Nonce::from_hex(&greeting.nonce).ok_or_else(|| wrong("its nonce is malformed"))?,
        client_nonce: Nonce(random::<NONCE_BYTES>().map_err(Error::Invalid)?),
        instance: &greeting.instance,
        port,
        client_id: &client_id,
    };
    let hello = Hello {
        protocol: common_version(greeting.protocol)?,
        client: Object(ClientInfo {
            id: client_id.clone(),
            name: settings.name.clone(),
            version: settings.version.clone(),
        }),
        nonce: transcript.client_nonce.to_hex(),
        proof: transcript.prove(Role::Client, &token),
    };
    let welcome = say_hello(wire, &hello, port, until)?;
    let known = transcript.verify(Role::Server, &token, &welcome.proof).is_ok();
    if !known || welcome.instance != greeting.instance || welcome.protocol != hello.protocol {
        return Err(wrong("it does not know the token of its own instance file"));
    }
    Ok(welcome)
}

fn say_hello(wire: &mut Wire, hello: &Hello, port: u16, until: Instant) -> Result<Welcome, Error> {
    let bytes = request::encode(HELLO_ID, "hello", &request::to_raw(hello)?, &envelope::Options::default(), &[])?;
    wire.send(&bytes, until).map_err(broken_off)?;
    let frame = wire.receive(until).map_err(broken_off)?;
    let welcome = match Incoming::parse(&frame.json) {
        Ok(Incoming::Reply { outcome: Err(error), .. }) if error.data.kind == Kind::BadProof => {
            return Err(Error::BadToken { port });
        }
        Ok(Incoming::Reply { outcome: Err(error), .. }) => return Err(Error::Server(Box::new(error))),
        Ok(Incoming::Reply { id: Some(RequestId::Integer(HELLO_ID)), outcome: Ok(welcome), .. }) => read(&welcome),
        _ => None,
    };
    welcome.ok_or_else(|| Error::Malformed { reason: "no answer to hello".to_owned(), shown: excerpt(&frame.json) })
}

/// The highest version that both sides speak.
fn common_version(theirs: [u32; 2]) -> Result<u32, Error> {
    let highest = PROTOCOL_VERSIONS[1].min(theirs[1]);
    if highest < PROTOCOL_VERSIONS[0].max(theirs[0]) {
        return Err(Error::VersionMismatch { theirs });
    }
    Ok(highest)
}

fn read<T: DeserializeOwned>(json: &RawValue) -> Option<T> {
    serde_json::from_str::<Object<T>>(json.get()).ok().map(|Object(value)| value)
}

/// What a halt means as long as no request has been sent: nothing ran, whatever it was.
fn broken_off(halt: Halt) -> Error {
    match halt {
        Halt::Deadline | Halt::Stalled => {
            Error::TimedOut { what: "the server did not answer hello in time".to_owned(), sent: false }
        }
        Halt::Interrupted => Error::Interrupted { fate: Fate::NotSent },
        Halt::Closed => Error::Disconnected { what: "before the server had introduced itself".to_owned(), sent: false },
        Halt::Broken(error) => Error::Disconnected { what: format!("during hello: {error}"), sent: false },
        Halt::NoFrame(error, shown) => Error::Malformed { reason: error.to_string(), shown },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_spoken() {
        let [least, most] = PROTOCOL_VERSIONS;
        assert_eq!(common_version([least, most + 5]).expect("common"), most);
        for theirs in [[most + 1, most + 2], [0, least - 1], [most, least - 1]] {
            assert!(matches!(common_version(theirs), Err(Error::VersionMismatch { .. })), "{theirs:?}");
        }
    }
}
