//! A bare server that `scripts/bench` compares with: one mio poll loop that returns every byte it
//! reads. It prints its port, and serves until it is ended.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;
    let mut streams: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(64);
    let mut chunk = vec![0; 64 * 1024];
    let mut next = 0;
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Some(mut stream) = unless_blocked(listener.accept())?.map(|(stream, _)| stream) {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE)?;
                    streams.insert(Token(next), stream);
                    next += 1;
                }
            } else if let Some(stream) = streams.get_mut(&event.token())
                && !echo(stream, &mut chunk)?
            {
                streams.remove(&event.token());
            }
        }
    }
}

/// Return what has arrived; whether more can come. Messages are small, so a write is never short.
fn echo(stream: &mut TcpStream, chunk: &mut [u8]) -> io::Result<bool> {
    loop {
        match unless_blocked(stream.read(chunk)) {
            Ok(None) => return Ok(true),
            Ok(Some(0)) | Err(_) => return Ok(false),
            Ok(Some(count)) => stream.write_all(&chunk[..count])?,
        }
    }
}

fn unless_blocked<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
