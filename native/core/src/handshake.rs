//! The handshake that lets a client in.

use spindle_protocol::envelope::{Request, check_client_id, check_label};
use spindle_protocol::error::{Kind, WireError};
use spindle_protocol::hello::{ClientInfo, Greeting, Hello, Nonce, Role, Token, Transcript, Welcome};
use spindle_protocol::json::Object;
use spindle_protocol::limits::PROTOCOL_VERSIONS;
use spindle_protocol::method::read_params;

/// Who this server is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// New at each start.
    pub instance: String,
    /// The secret of the instance file.
    pub token: Token,
    /// The port that it listens on.
    pub port: u16,
    /// Spindle's version.
    pub version: String,
    /// Blender's version.
    pub blender: String,
}

/// One connection's way in: the nonce it was greeted with, good for one hello.
#[derive(Debug)]
pub struct Handshake {
    nonce: Nonce,
}

impl Handshake {
    /// A handshake with a fresh nonce.
    pub fn new(nonce: Nonce) -> Handshake {
        Handshake { nonce }
    }

    /// What to say first.
    pub fn greeting(&self, identity: &Identity) -> Greeting {
        Greeting {
            name: "spindle".to_owned(),
            protocol: PROTOCOL_VERSIONS,
            instance: identity.instance.clone(),
            nonce: self.nonce.to_hex(),
        }
    }

    /// Check the first request.
    ///
    /// # Errors
    /// `not_authenticated`, `invalid_params`, `version_mismatch` or `bad_proof`; the connection is
    /// to be closed after any of them.
    pub fn accept(&self, request: &Request, identity: &Identity) -> Result<(ClientInfo, Welcome), WireError> {
        if request.method != "hello" {
            let text = format!("the first request must be hello, with a proof; got {:?}", request.method);
            return Err(WireError::new(Kind::NotAuthenticated, text));
        }
        let hello: Hello = read_params(&request.params)?;
        let Object(client) = hello.client;
        check_version(hello.protocol)?;
        let invalid = |member: &str, text| WireError::new(Kind::InvalidParams, format!("params.{member}: {text}"));
        check_client_id(client.id.clone()).map_err(|text| invalid("client.id", text))?;
        check_label(client.name.clone()).map_err(|text| invalid("client.name", text))?;
        check_label(client.version.clone()).map_err(|text| invalid("client.version", text))?;
        let client_nonce = Nonce::from_hex(&hello.nonce)
            .ok_or_else(|| invalid("nonce", "expected 64 hexadecimal digits".to_owned()))?;
        let transcript = Transcript {
            server_nonce: self.nonce,
            client_nonce,
            instance: &identity.instance,
            port: identity.port,
            client_id: &client.id,
        };
        transcript.verify(Role::Client, &identity.token, &hello.proof).map_err(|error| {
            WireError::new(Kind::BadProof, format!("{error}; read the token from this server's instance file"))
        })?;
        let welcome = Welcome {
            protocol: hello.protocol,
            instance: identity.instance.clone(),
            version: identity.version.clone(),
            blender: identity.blender.clone(),
            proof: transcript.prove(Role::Server, &identity.token),
        };
        Ok((client, welcome))
    }
}

fn check_version(version: u32) -> Result<(), WireError> {
    let [least, most] = PROTOCOL_VERSIONS;
    let update = match version {
        v if v < least => "the client",
        v if v > most => "Spindle in Blender",
        _ => return Ok(()),
    };
    let text = format!("the client speaks protocol {version}, this server {least} to {most}; update {update}");
    Err(WireError::new(Kind::VersionMismatch, text).with("protocol", vec![least, most]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            instance: "i".to_owned(),
            token: Token::new([7; 32]),
            port: 5000,
            version: "0.1.0".to_owned(),
            blender: "5.2".to_owned(),
        }
    }

    fn client(id: &str) -> ClientInfo {
        ClientInfo { id: id.to_owned(), name: "test".to_owned(), version: "1".to_owned() }
    }

    fn hello(handshake: &Handshake, change: impl Fn(&mut serde_json::Value)) -> Result<Welcome, WireError> {
        let transcript = Transcript {
            server_nonce: handshake.nonce,
            client_nonce: Nonce([2; 32]),
            instance: "i",
            port: 5000,
            client_id: "c",
        };
        let mut message = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {
            "protocol": 1, "client": client("c"), "nonce": Nonce([2; 32]).to_hex(),
            "proof": transcript.prove(Role::Client, &Token::new([7; 32])),
        }});
        change(&mut message);
        let request = Request::parse(message.to_string().as_bytes()).expect("a request");
        let (_, welcome) = handshake.accept(&request, &identity())?;
        transcript.verify(Role::Server, &Token::new([7; 32]), &welcome.proof).expect("the server knows the token");
        Ok(welcome)
    }

    /// SECRETS: only who knows the token gets in, and each refusal says why.
    #[test]
    fn hellos() {
        let handshake = Handshake::new(Nonce([1; 32]));
        hello(&handshake, |_| {}).expect("an honest hello");
        let echo = Transcript {
            server_nonce: Nonce([1; 32]),
            client_nonce: Nonce([2; 32]),
            instance: "i",
            port: 5000,
            client_id: "c",
        }
        .prove(Role::Server, &Token::new([7; 32]));
        let rows: [(&str, serde_json::Value, Kind, &str); 9] = [
            ("/method", "ping".into(), Kind::NotAuthenticated, "hello"),
            ("/params/protocol", 0.into(), Kind::VersionMismatch, "update the client"),
            ("/params/protocol", 2.into(), Kind::VersionMismatch, "update Spindle"),
            ("/params/proof", "00".repeat(32).into(), Kind::BadProof, "token"),
            ("/params/proof", echo.into(), Kind::BadProof, "token"),
            ("/params/nonce", "x".into(), Kind::InvalidParams, "params.nonce: expected 64"),
            ("/params/client/id", "a b".into(), Kind::InvalidParams, "params.client.id: expected 1 to 128"),
            ("/params/client/name", "".into(), Kind::InvalidParams, "params.client.name"),
            ("/params/client", serde_json::json!(["c", "t", "1"]), Kind::InvalidParams, "expected an object"),
        ];
        for (pointer, value, kind, part) in rows {
            let error = hello(&handshake, |message| *message.pointer_mut(pointer).expect(pointer) = value.clone())
                .expect_err(pointer);
            assert_eq!(error.data.kind, kind, "{pointer}: {error}");
            assert!(error.message.contains(part), "{pointer}: {error}");
        }
        hello(&Handshake::new(Nonce([3; 32])), |message| {
            // A replay: the proof was made for another greeting.
            let recorded = Transcript {
                server_nonce: Nonce([1; 32]),
                client_nonce: Nonce([2; 32]),
                instance: "i",
                port: 5000,
                client_id: "c",
            };
            message["params"]["proof"] = recorded.prove(Role::Client, &Token::new([7; 32])).into();
        })
        .expect_err("a replay");
    }
}
