//! `spindle mcp`.

use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;

use serde_json::json;
use spindle_client::ClientSettings;
use spindle_mcp::http::limits::Limits;
use spindle_mcp::http::{HttpServer, Stop};
use spindle_mcp::stdio;
use spindle_mcp::token::{Token, TokenError};

use super::Caller;
use crate::args::Mcp;
use crate::failure::{Failure, Trouble};
use crate::output::Output;

/// Serve an AI client on the standard input and output, until the input ends; or many by a URL.
pub fn mcp(caller: &Caller, asked: &Mcp, output: &mut Output) -> Result<(), Failure> {
    let mut settings = ClientSettings::from_environment()?;
    settings.instance = caller.wanted.clone().or(settings.instance);
    if asked.http {
        return http(settings, asked, output);
    }
    Ok(stdio::serve(settings)?)
}

/// Serve clients that take a URL. One line of JSON tells programs where, as soon as it can be used.
fn http(settings: ClientSettings, asked: &Mcp, output: &mut Output) -> Result<(), Failure> {
    let place: Result<PathBuf, TokenError> = asked.token_file.clone().map_or_else(Token::default_place, Ok);
    let place = place.map_err(|error| no_token(&error, None))?;
    let token = Token::at(&place).map_err(|error| no_token(&error, Some(&place)))?;
    let server =
        HttpServer::bind(asked.port, Some(token), Limits::default()).map_err(|error| no_port(asked.port, &error))?;
    let listening = json!({"url": server.url(), "token_file": place, "pid": process::id()});
    let stop = Stop::default();
    end_with_input(stop.clone());
    Ok(server.serve(settings, &stop, || output.line(&listening.to_string()))?)
}

fn no_token(error: &TokenError, place: Option<&Path>) -> Trouble {
    Trouble {
        kind: "no_token",
        message: error.to_string(),
        remedy: "every client must show this secret; --token-file names another place for it".to_owned(),
        details: json!({"token_file": place}),
    }
}

fn no_port(port: u16, error: &io::Error) -> Trouble {
    let details = json!({"port": port, "reason": error.to_string()});
    if error.kind() == io::ErrorKind::AddrInUse {
        return Trouble {
            kind: "port_in_use",
            message: format!("port {port} of 127.0.0.1 is taken, perhaps by another `spindle mcp --http`"),
            remedy: "end that program, or choose another port with --port; 0 lets the system choose".to_owned(),
            details,
        };
    }
    Trouble {
        kind: "no_port",
        message: format!("port {port} of 127.0.0.1 cannot be used: {error}"),
        remedy: "choose another port with --port; 0 lets the system choose".to_owned(),
        details,
    }
}

/// Stop when the standard input ends, which a program that has started this one holds open for as long as it lives. A
/// terminal is not read, which would halt a job in the background, and the null device has no end that means anything.
fn end_with_input(stop: Stop) {
    if is_device() {
        return;
    }
    thread::spawn(move || {
        // Where it cannot be read there is nothing to wait for.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        stop.ask();
    });
}

#[cfg(unix)]
fn is_device() -> bool {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;

    let found = io::stdin().as_fd().try_clone_to_owned().and_then(|input| File::from(input).metadata());
    found.is_ok_and(|found| found.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_device() -> bool {
    use std::io::IsTerminal;

    io::stdin().is_terminal()
}
