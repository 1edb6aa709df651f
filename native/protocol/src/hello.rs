//! Greeting, hello and the mutual proof: both sides show that they know the token without sending it.
//!
//! The proof is HMAC-SHA256 over a label, both nonces, the instance id, the port that the client
//! dialled and the client's id. The label keeps one side's proof from serving as the other's, the
//! nonces keep an old one from serving again, the port keeps one server from relaying to another.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

use crate::limits::NONCE_BYTES;

/// The secret that a server writes into its owner-only instance file: 32 random bytes. It is never
/// printed, sent or logged; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; NONCE_BYTES]);

impl Token {
    /// A token from random bytes.
    pub fn new(bytes: [u8; NONCE_BYTES]) -> Token {
        Token(bytes)
    }

    /// The token as the instance file holds it: 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Read [`Token::to_hex`]'s form.
    pub fn from_hex(text: &str) -> Option<Token> {
        Nonce::from_hex(text).map(|Nonce(bytes)| Token(bytes))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// A number used once: 32 random bytes from each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub [u8; NONCE_BYTES]);

impl Nonce {
    /// 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// Read [`Nonce::to_hex`]'s form.
    pub fn from_hex(text: &str) -> Option<Nonce> {
        let mut bytes = [0; NONCE_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Nonce(bytes))
    }
}

/// Whose proof it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of the side that connected.
    Client,
    /// Of the side that listened.
    Server,
}

/// What both proofs are made over.
#[derive(Clone, Copy, Debug)]
pub struct Transcript<'a> {
    /// From the greeting.
    pub server_nonce: Nonce,
    /// From the hello.
    pub client_nonce: Nonce,
    /// From the greeting.
    pub instance: &'a str,
    /// The port that the client dialled; the server uses its own.
    pub port: u16,
    /// From the hello.
    pub client_id: &'a str,
}

/// The other side does not know the token, or is not who it seems.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the proof does not fit the token")]
pub struct ProofMismatch;

impl Transcript<'_> {
    /// This role's proof, 64 hexadecimal digits.
    pub fn prove(&self, role: Role, token: &Token) -> String {
        hex::encode(self.mac(role, token).finalize().into_bytes())
    }

    /// Check this role's proof, in constant time (SECRETS).
    ///
    /// # Errors
    /// When it does not fit.
    pub fn verify(&self, role: Role, token: &Token, proof: &str) -> Result<(), ProofMismatch> {
        let bytes = hex::decode(proof).map_err(|_| ProofMismatch)?;
        self.mac(role, token).verify_slice(&bytes).map_err(|_| ProofMismatch)
    }

    fn mac(&self, role: Role, token: &Token) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&token.0).expect("HMAC takes a key of any length");
        mac.update(match role {
            Role::Client => b"spindle1 client",
            Role::Server => b"spindle1 server",
        });
        mac.update(&self.server_nonce.0);
        mac.update(&self.client_nonce.0);
        mac.update(&self.port.to_be_bytes());
        // The two texts are of varying length: the first one's length keeps them apart.
        mac.update(&(self.instance.len() as u32).to_be_bytes());
        mac.update(self.instance.as_bytes());
        mac.update(self.client_id.as_bytes());
        mac
    }
}

/// What the server says first, the `params` of the notification `greeting`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greeting {
    /// Always `spindle`.
    pub name: String,
    /// The lowest and the highest protocol version that this server speaks.
    pub protocol: [u32; 2],
    /// The server's id, new at each start.
    pub instance: String,
    /// 64 hexadecimal digits.
    pub nonce: String,
}

/// Who connects, in hello.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientInfo {
    /// Random, chosen once per process: letters, digits, hyphens.
    pub id: String,
    /// The program's name, for people.
    pub name: String,
    /// The program's version, for people.
    pub version: String,
}

/// The `params` of the request `hello`, the first on each connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version to speak, one of the greeting's range.
    pub protocol: u32,
    /// Who connects.
    pub client: crate::json::Object<ClientInfo>,
    /// 64 hexadecimal digits.
    pub nonce: String,
    /// [`Transcript::prove`] as the client.
    pub proof: String,
}

/// The result of `hello`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version spoken from here on.
    pub protocol: u32,
    /// The server's id.
    pub instance: String,
    /// The server's version, X.Y.Z.
    pub version: String,
    /// Blender's version.
    pub blender: String,
    /// [`Transcript::prove`] as the server; the client checks it before it sends anything else.
    pub proof: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token([7; NONCE_BYTES]);

    fn transcript() -> Transcript<'static> {
        Transcript {
            server_nonce: Nonce([1; NONCE_BYTES]),
            client_nonce: Nonce([2; NONCE_BYTES]),
            instance: "instance",
            port: 27182,
            client_id: "client",
        }
    }

    /// SECRETS: a proof fits one role, one token, both nonces, one port, one instance, one client.
    #[test]
    fn a_proof_fits_only_its_own_transcript() {
        let proof = transcript().prove(Role::Client, &TOKEN);
        transcript().verify(Role::Client, &TOKEN, &proof).expect("its own");
        let other = Nonce([9; NONCE_BYTES]);
        let rows = [
            ("echoed server nonce", Transcript { server_nonce: other, ..transcript() }),
            ("replay", Transcript { client_nonce: other, ..transcript() }),
            ("relay from another port", Transcript { port: 27183, ..transcript() }),
            ("another instance", Transcript { instance: "instancf", ..transcript() }),
            ("another client", Transcript { client_id: "clienu", ..transcript() }),
            ("shifted border", Transcript { instance: "instancec", client_id: "lient", ..transcript() }),
        ];
        for (name, other) in rows {
            assert_eq!(other.verify(Role::Client, &TOKEN, &proof), Err(ProofMismatch), "{name}");
        }
        assert_eq!(transcript().verify(Role::Server, &TOKEN, &proof), Err(ProofMismatch), "swapped roles");
        let stranger = Token([8; NONCE_BYTES]);
        assert_eq!(transcript().verify(Role::Client, &stranger, &proof), Err(ProofMismatch));
        for broken in ["", "zz", &proof[..62], &format!("{proof}00")] {
            assert_eq!(transcript().verify(Role::Client, &TOKEN, broken), Err(ProofMismatch), "{broken}");
        }
    }

    /// The example of docs/protocol.md, so that other languages can check themselves.
    #[test]
    fn known_answer() {
        assert_eq!(transcript().prove(Role::Client, &TOKEN), include_str!("../testdata/client_proof.hex").trim(),);
    }

    /// SECRETS: the token does not show in debug output.
    #[test]
    fn a_token_hides_itself() {
        assert_eq!(format!("{TOKEN:?}"), "Token(…)");
        assert_eq!(Token::from_hex(&TOKEN.to_hex()), Some(TOKEN));
        assert_eq!(Token::from_hex("07"), None);
    }
}
