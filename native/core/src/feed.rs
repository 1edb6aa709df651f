//! What a running request tells before its answer: output and progress. The main thread writes and never waits; the
//! I/O thread looks every [`PERIOD`] while something is in flight, and sends what there is.
use crate::keys::Ticket;

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use spindle_protocol::notification::{Progress, Stream};

/// How often the I/O thread looks. A script that ends sooner tells everything in its result, and costs no notification.
pub const PERIOD: Duration = Duration::from_millis(20);

/// Output that waits to be sent, per request, in bytes; what comes beyond is counted and left out. The result still has
/// it, within the result's own limit.
pub const PENDING_BYTES: usize = 256 * 1024;

/// What a piece takes beside its text.
const PIECE_BYTES: usize = 64;

/// A piece of output, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it was written to.
    pub stream: Stream,
    /// What was written.
    pub text: String,
    /// Characters left out before it.
    pub omitted: u64,
}

/// What a request has told since the last look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct News {
    /// Its output, in order.
    pub output: Vec<Piece>,
    /// How far it has come, if that has changed.
    pub progress: Option<Progress>,
}

#[derive(Default)]
struct Pending {
    news: News,
    bytes: usize,
    omitted: u64,
    /// Whether some was sent already; then the rest goes out too, before the answer.
    flowing: bool,
}

impl Pending {
    fn write(&mut self, stream: Stream, text: &str) {
        if self.bytes + text.len() > PENDING_BYTES {
            self.omitted += text.chars().count() as u64;
            return;
        }
        self.bytes += text.len();
        match self.news.output.last_mut() {
            Some(last) if last.stream == stream && self.omitted == 0 => last.text.push_str(text),
            _ => {
                let omitted = std::mem::take(&mut self.omitted);
                self.news.output.push(Piece { stream, text: text.to_owned(), omitted });
                self.bytes += PIECE_BYTES;
            }
        }
    }

    fn take(&mut self) -> News {
        self.bytes = 0;
        let mut news = std::mem::take(&mut self.news);
        if self.omitted > 0 {
            let omitted = std::mem::take(&mut self.omitted);
            news.output.push(Piece { stream: Stream::Stdout, text: String::new(), omitted });
        }
        news
    }
}

/// The news of all running requests.
#[derive(Default)]
pub struct Feed {
    pending: Mutex<HashMap<Ticket, Pending>>,
}

impl Feed {
    /// A running request has written something.
    pub fn write(&self, ticket: Ticket, stream: Stream, text: &str) {
        if !text.is_empty() {
            self.pending.lock().entry(ticket).or_default().write(stream, text);
        }
    }

    /// A running request has come this far.
    pub fn progress(&self, ticket: Ticket, progress: Progress) {
        self.pending.lock().entry(ticket).or_default().news.progress = Some(progress);
    }

    /// The requests that have something to tell.
    pub fn tickets(&self) -> Vec<Ticket> {
        let pending = self.pending.lock();
        pending.iter().filter(|(_, pending)| pending.news != News::default()).map(|(ticket, _)| *ticket).collect()
    }

    /// What a request has told since the last look, to be sent now.
    pub fn take(&self, ticket: Ticket) -> News {
        let mut pending = self.pending.lock();
        let Some(pending) = pending.get_mut(&ticket) else { return News::default() };
        pending.flowing = true;
        pending.take()
    }

    /// A request is over. What is still to be sent before its answer: nothing, if nothing was sent so far, as its
    /// result tells everything.
    pub fn close(&self, ticket: Ticket) -> News {
        match self.pending.lock().remove(&ticket) {
            Some(mut pending) if pending.flowing => pending.take(),
            _ => News::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(stream: Stream, text: &str, omitted: u64) -> Piece {
        Piece { stream, text: text.to_owned(), omitted }
    }

    #[test]
    fn output_keeps_its_order_and_its_bounds() {
        use Stream::{Stderr, Stdout};
        let (feed, ticket) = (Feed::default(), Ticket(1));
        for (stream, text) in [(Stdout, "a"), (Stdout, "b\n"), (Stderr, "!"), (Stdout, ""), (Stdout, "c")] {
            feed.write(ticket, stream, text);
        }
        assert_eq!(feed.tickets(), [ticket]);
        let expected = [piece(Stdout, "ab\n", 0), piece(Stderr, "!", 0), piece(Stdout, "c", 0)];
        assert_eq!(feed.take(ticket).output, expected);
        assert_eq!(feed.tickets(), []);
        feed.write(ticket, Stdout, &"x".repeat(PENDING_BYTES));
        feed.write(ticket, Stdout, "été");
        feed.write(ticket, Stderr, "y");
        let news = feed.take(ticket);
        assert_eq!(news.output.len(), 2);
        assert_eq!(news.output[1], piece(Stdout, "", 4), "characters, not bytes");
        feed.write(ticket, Stderr, "z");
        assert_eq!(feed.close(ticket).output, [piece(Stderr, "z", 0)], "what began to flow flows to its end");
        assert_eq!(feed.close(ticket), News::default());
    }

    /// What is held is bounded however small its pieces are.
    #[test]
    fn small_pieces_count_for_what_they_take() {
        let (feed, ticket) = (Feed::default(), Ticket(1));
        for stream in [Stream::Stdout, Stream::Stderr].iter().cycle().take(100_000) {
            feed.write(ticket, *stream, "x");
        }
        let output = feed.take(ticket).output;
        assert!(output.len() * PIECE_BYTES <= PENDING_BYTES + PIECE_BYTES, "{} pieces", output.len());
        let told: u64 = output.iter().map(|piece| piece.text.len() as u64 + piece.omitted).sum();
        assert_eq!(told, 100_000, "nothing is left out in silence");
    }

    #[test]
    fn a_quick_request_tells_nothing_twice() {
        let (feed, ticket) = (Feed::default(), Ticket(2));
        feed.write(ticket, Stream::Stdout, "in the result");
        assert_eq!(feed.close(ticket), News::default());
        let at = |done| Progress { done, total: Some(2.0), message: String::new() };
        feed.progress(ticket, at(1.0));
        feed.progress(ticket, at(2.0));
        assert_eq!(feed.take(ticket).progress, Some(at(2.0)), "only the last is of interest");
        assert_eq!(feed.take(ticket).progress, None);
    }
}
