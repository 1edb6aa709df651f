//! What is looked at before the SDK sees a request, in this order: where it was meant to go, who made it, what it asks for,
//! whether the user has let its client in, and how much it brings.

use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, Uri};

use super::refusal::Refusal;
use crate::token::Token;

/// The one path.
pub const PATH: &str = "/mcp";

/// This machine's names for itself. It listens on the first only; the last is what tunnels and resolvers make of it.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// What a request must show.
pub struct Gate {
    /// Where the server listens.
    pub port: u16,
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// The secret; `None` lets every program of this machine in, which only tests of the protocol do.
    pub token: Option<Token>,
}

impl Gate {
    /// Whether the request may go on.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, request: &Parts) -> Result<(), Refusal> {
        self.check_host(&request.uri, &request.headers)?;
        check_origin(&request.headers)?;
        if request.uri.path() != PATH {
            return Err(Refusal::Path);
        }
        if ![Method::GET, Method::POST, Method::DELETE].contains(&request.method) {
            return Err(Refusal::Method);
        }
        self.check_token(&request.headers)?;
        let declared = request.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|declared| declared > self.body_bytes as u64) {
            return Err(Refusal::TooLarge { most: self.body_bytes });
        }
        Ok(())
    }

    /// A name of this machine's with our port: any other name was pointed here by somebody else.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let refused = Refusal::Host { port: self.port };
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(refused) };
        let is_ours = |host: &Authority| {
            // A web browser leaves out the port where it is that of plain HTTP.
            is_loopback(host) && host.port().map_or(Some(80), |port| port.as_str().parse().ok()) == Some(self.port)
        };
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        // A request to a proxy has the name in its first line as well, and that one counts (RFC 9112, 3.2.2).
        if host.is_some_and(|host| is_ours(&host)) && uri.authority().is_none_or(is_ours) {
            Ok(())
        } else {
            Err(refused)
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else { return Ok(()) };
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (Some(header), None) = (shown.next(), shown.next()) else { return Err(Refusal::NoToken) };
        // The scheme's case does not matter (RFC 9110, 11.1); the token's does.
        let (scheme, secret) = header.as_bytes().split_at_checked("Bearer ".len()).ok_or(Refusal::NoToken)?;
        if !scheme.eq_ignore_ascii_case(b"Bearer ") {
            return Err(Refusal::NoToken);
        }
        if token.is(secret.trim_ascii()) { Ok(()) } else { Err(Refusal::WrongToken) }
    }
}

/// Programs send no Origin; web pages always do, and only those of this machine may ask, on any port.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_ours = |origin: &str| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.and_then(|host| host.parse::<Authority>().ok()).is_some_and(|host| is_loopback(&host))
    };
    let all_are = headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_ours));
    if all_are { Ok(()) } else { Err(Refusal::Origin) }
}

/// A name without a user before it: "localhost@elsewhere" is elsewhere.
fn is_loopback(authority: &Authority) -> bool {
    !authority.as_str().contains('@') && LOOPBACK.iter().any(|name| authority.host().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn verdict(gate: &Gate, request: &Parts) -> &'static str {
        match gate.check(request) {
            Ok(()) => "",
            Err(Refusal::Host { .. }) => "host",
            Err(Refusal::Origin) => "origin",
            Err(Refusal::Path) => "path",
            Err(Refusal::Method) => "method",
            Err(Refusal::NoToken) => "no token",
            Err(Refusal::WrongToken) => "wrong token",
            Err(Refusal::TooLarge { .. }) => "too large",
            Err(other) => panic!("{other}"),
        }
    }

    fn gate(port: u16) -> Gate {
        Gate { port, body_bytes: 1000, token: None }
    }

    #[test]
    fn hosts() {
        for (port, host, expected) in [
            (9878, "127.0.0.1:9878", ""),
            (9878, "localhost:9878", ""),
            (9878, "LocalHost:9878", ""),
            (9878, "[::1]:9878", ""),
            (80, "localhost", ""),
            (9878, "localhost", "host"),
            (9878, "localhost:", "host"),
            (9878, "localhost:9879", "host"),
            (9878, "localhost:99999", "host"),
            (9878, "evil.example:9878", "host"),
            (9878, "localhost.evil.example:9878", "host"),
            (9878, "127.0.0.1.nip.example:9878", "host"),
            (9878, "127.0.0.2:9878", "host"),
            (9878, "0.0.0.0:9878", "host"),
            (9878, "localhost:9878@evil.example", "host"),
            (9878, "evil@localhost:9878", "host"),
            (9878, "", "host"),
        ] {
            assert_eq!(verdict(&gate(port), &request("POST", "/mcp", &[("host", host)])), expected, "{host} on {port}");
        }
    }

    /// Shapes in which a page, or a proxy between, might hide another host.
    #[test]
    fn hidden_hosts() {
        let good = ("host", "localhost:9878");
        for (uri, headers, expected) in [
            ("/mcp", &[][..], "host"),
            ("/mcp", &[good, ("host", "evil.example")], "host"),
            ("http://localhost:9878/mcp", &[good], ""),
            ("http://evil.example/mcp", &[good], "host"),
            ("http://localhost:9878/mcp", &[("host", "evil.example")], "host"),
        ] {
            assert_eq!(verdict(&gate(9878), &request("POST", uri, headers)), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn origins() {
        for (origin, expected) in [
            ("http://localhost:6274", ""),
            ("http://127.0.0.1", ""),
            ("https://[::1]:8443", ""),
            ("http://evil.example", "origin"),
            ("http://localhost.evil.example", "origin"),
            ("http://localhost@evil.example", "origin"),
            ("http://evil.example#localhost", "origin"),
            ("http://localhost/", "origin"),
            ("localhost", "origin"),
            ("file://", "origin"),
            ("null", "origin"),
            ("", "origin"),
        ] {
            let request = request("POST", "/mcp", &[("host", "localhost:9878"), ("origin", origin)]);
            assert_eq!(verdict(&gate(9878), &request), expected, "{origin}");
        }
    }

    #[test]
    fn tokens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let gate = Gate { token: Some(Token::at(&path).expect("made")), ..gate(9878) };
        let token = std::fs::read_to_string(&path).expect("there");
        let token = token.trim();
        for (header, expected) in [
            (format!("Bearer {token}"), ""),
            (format!("bearer {token}"), ""),
            (format!("Bearer  {token} "), ""),
            (format!("Bearer {token}0"), "wrong token"),
            (format!("Bearer {}", &token[1..]), "wrong token"),
            ("Bearer ".to_owned(), "wrong token"),
            ("Bearer".to_owned(), "no token"),
            (format!("Basic {token}"), "no token"),
            (token.to_owned(), "no token"),
            (String::new(), "no token"),
        ] {
            let headers = [("host", "localhost:9878"), ("authorization", header.as_str())];
            assert_eq!(verdict(&gate, &request("POST", "/mcp", &headers)), expected, "{header}");
        }
        let right = format!("Bearer {token}");
        let twice = [("host", "localhost:9878"), ("authorization", &right), ("authorization", &right)];
        assert_eq!(verdict(&gate, &request("POST", "/mcp", &twice)), "no token");
        let in_the_url = request("POST", &format!("/mcp?access_token={token}"), &[("host", "localhost:9878")]);
        assert_eq!(verdict(&gate, &in_the_url), "no token");
    }

    #[test]
    fn methods_paths_and_sizes() {
        for (method, uri, length, expected) in [
            ("GET", "/mcp", "", ""),
            ("DELETE", "/mcp", "", ""),
            ("POST", "/mcp?x=1", "1000", ""),
            ("POST", "/mcp", "1001", "too large"),
            ("POST", "/mcp", "18446744073709551615", "too large"),
            ("PUT", "/mcp", "", "method"),
            ("OPTIONS", "/mcp", "", "method"),
            ("TRACE", "/mcp", "", "method"),
            ("POST", "/", "", "path"),
            ("POST", "/mcp/", "", "path"),
            ("POST", "/MCP", "", "path"),
            ("GET", "/.well-known/oauth-protected-resource", "", "path"),
        ] {
            let headers = [("host", "localhost:9878"), ("content-length", length)];
            let headers = if length.is_empty() { &headers[..1] } else { &headers };
            assert_eq!(verdict(&gate(9878), &request(method, uri, headers)), expected, "{method} {uri} {length}");
        }
    }
}
