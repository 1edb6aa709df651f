//! What a request tells while it runs: its output as it comes, and on a terminal how far it is, in one line that
//! goes again.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ratatui::crossterm::cursor::MoveToColumn;
use ratatui::crossterm::queue;
use ratatui::crossterm::terminal::{Clear, ClearType, size};
use spindle_client::{Interrupt, Listener, Notice};
use spindle_protocol::notification::{Output, Progress, Stream};

use crate::text;

/// The columns of a terminal that does not tell.
const USUAL_COLUMNS: u16 = 80;

/// What is shown of a request's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Output and progress.
    All,
    /// Progress alone.
    Progress,
    /// Nothing; the result tells everything.
    Nothing,
}

/// What was shown while the request ran.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether any output was; then all of it was.
    pub output: bool,
    /// Characters of output that the server left out.
    pub omitted: u64,
}

/// A live display. It writes on the thread that waits for the reply.
#[derive(Clone)]
pub struct Live(Arc<Mutex<Display>>);

impl Live {
    /// On this process's own streams.
    pub fn start(show: Show) -> Live {
        let (out, err) = (io::stdout(), io::stderr());
        let screen = err.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let shared = [out.is_terminal(), err.is_terminal()];
        let columns = || size().map_or(USUAL_COLUMNS, |(columns, _)| columns);
        Live::on(Display {
            out: Box::new(out),
            err: Box::new(err),
            show,
            columns: screen.then_some(columns),
            shared,
            progress: None,
            drawn: false,
            mid_line: false,
            shown: Shown::default(),
            failed: None,
        })
    }

    fn on(display: Display) -> Live {
        Live(Arc::new(Mutex::new(display)))
    }

    /// For the request's options.
    pub fn listener(&self) -> Listener {
        let live = self.clone();
        Listener(Arc::new(move |notice| live.display().hear(notice)))
    }

    /// For the connection's settings: once nobody reads the output any more, the request is cancelled, as a
    /// program is ended when it writes to a closed pipe.
    pub fn interrupt(&self) -> Interrupt {
        let (live, told) = (self.clone(), AtomicBool::new(false));
        Arc::new(move || live.display().failed.is_some() && !told.swap(true, Ordering::Relaxed))
    }

    /// Clear the line of progress, and tell what was shown.
    ///
    /// # Errors
    /// The first failure to write, whenever it was.
    pub fn finish(self) -> io::Result<Shown> {
        let mut display = self.display();
        let cleared = display.clear();
        match display.failed.take() {
            Some(error) => Err(error),
            None => cleared.map(|()| std::mem::take(&mut display.shown)),
        }
    }

    fn display(&self) -> MutexGuard<'_, Display> {
        // A display that panicked while it wrote has at worst left a line of progress.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Display {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    show: Show,
    /// The terminal's columns; `None` where no progress is drawn.
    columns: Option<fn() -> u16>,
    /// Whether standard output and standard error go to a terminal, which the line of progress shares with them.
    shared: [bool; 2],
    progress: Option<Progress>,
    /// Whether the line of progress is on the terminal.
    drawn: bool,
    /// Whether the output so far ends within a line, which progress must not overwrite.
    mid_line: bool,
    shown: Shown,
    failed: Option<io::Error>,
}

impl Display {
    fn hear(&mut self, notice: &Notice) {
        if self.failed.is_some() {
            return;
        }
        let written = match notice {
            Notice::Output(output) if self.show == Show::All => self.output(output),
            Notice::Progress(progress) if self.show != Show::Nothing => {
                self.progress = Some(progress.clone());
                self.draw()
            }
            _ => Ok(()),
        };
        self.failed = written.err();
    }

    fn output(&mut self, output: &Output) -> io::Result<()> {
        self.shown.output = true;
        self.shown.omitted += output.omitted;
        self.clear()?;
        let (stream, shared) = match output.stream {
            Stream::Stdout => (&mut self.out, self.shared[0]),
            Stream::Stderr => (&mut self.err, self.shared[1]),
        };
        stream.write_all(output.text.as_bytes())?;
        stream.flush()?;
        if shared && !output.text.is_empty() {
            self.mid_line = !output.text.ends_with('\n');
        }
        self.draw()
    }

    fn draw(&mut self) -> io::Result<()> {
        let (Some(columns), Some(progress), false) = (self.columns, &self.progress, self.mid_line) else {
            return Ok(());
        };
        // A line as wide as the terminal would wrap.
        let line = text::progress_line(progress, usize::from(columns()).saturating_sub(1));
        self.drawn = true;
        queue!(self.err, MoveToColumn(0), Clear(ClearType::UntilNewLine))?;
        write!(self.err, "{line}")?;
        self.err.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.drawn) {
            return Ok(());
        }
        queue!(self.err, MoveToColumn(0), Clear(ClearType::UntilNewLine))?;
        self.err.flush()
    }
}

#[cfg(test)]
mod tests {
    use spindle_protocol::envelope::RequestId;

    use super::*;

    /// Both streams, as a terminal would get them.
    #[derive(Clone, Default)]
    struct Terminal(Arc<Mutex<Vec<u8>>>);

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn live(out: impl Write + Send + 'static, err: Terminal, show: Show, is_terminal: bool) -> Live {
        Live::on(Display {
            out: Box::new(out),
            err: Box::new(err),
            show,
            columns: is_terminal.then_some(|| 20),
            shared: [is_terminal; 2],
            progress: None,
            drawn: false,
            mid_line: false,
            shown: Shown::default(),
            failed: None,
        })
    }

    fn output(stream: Stream, text: &str, omitted: u64) -> Notice {
        Notice::Output(Output { id: RequestId::Integer(1), stream, text: text.to_owned(), omitted })
    }

    fn at(done: f64, message: &str) -> Notice {
        Notice::Progress(Progress { done, total: Some(4.0), message: message.to_owned() })
    }

    fn check(show: Show, is_terminal: bool, notices: &[Notice], expected: &str, shown: Shown) {
        let terminal = Terminal::default();
        let live = live(terminal.clone(), terminal.clone(), show, is_terminal);
        let Listener(tell) = live.listener();
        notices.iter().for_each(|notice| tell(notice));
        assert_eq!(live.finish().expect("written"), shown, "{notices:?}");
        let written = String::from_utf8(terminal.0.lock().expect("no panic").clone()).expect("UTF-8");
        assert_eq!(written.replace("\u{1b}[1G\u{1b}[K", "<"), expected, "{notices:?}");
    }

    /// `<` stands for the cleared line.
    #[test]
    fn what_a_terminal_gets() {
        use Stream::{Stderr, Stdout};
        let (quiet, loud) = (Shown::default(), Shown { output: true, omitted: 0 });
        check(Show::All, true, &[], "", quiet);
        check(Show::All, true, &[at(1.0, ""), at(2.0, "")], "<25 %, 1 of 4<50 %, 2 of 4<", Shown::default());
        check(
            Show::All,
            true,
            &[output(Stdout, "a\n", 0), at(1.0, "frame \u{1b}[2J"), output(Stderr, "b\n", 0)],
            "a\n<25 %, 1 of 4, fram…<b\n<25 %, 1 of 4, fram…<",
            Shown { output: true, omitted: 0 },
        );
        // What a script writes without a line's end is never overwritten.
        let notices = [at(1.0, ""), output(Stdout, "a", 0), at(2.0, ""), output(Stdout, "b\n", 0)];
        check(Show::All, true, &notices, "<25 %, 1 of 4<ab\n<50 %, 2 of 4<", loud);
        let notices = [at(1.0, ""), output(Stderr, "a", 0), output(Stdout, "", 7)];
        check(Show::All, false, &notices, "a", Shown { output: true, omitted: 7 });
        check(Show::Progress, true, &notices, "<25 %, 1 of 4<", Shown::default());
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader that has gone ends the wait, once: the second wait is for the cancelled request's answer.
    #[test]
    fn a_reader_that_leaves() {
        let live = live(Closed, Terminal::default(), Show::All, false);
        let (Listener(tell), interrupt) = (live.listener(), live.interrupt());
        assert!(!interrupt());
        tell(&output(Stream::Stdout, "a", 0));
        tell(&output(Stream::Stdout, "b", 0));
        assert_eq!([interrupt(), interrupt()], [true, false]);
        assert_eq!(live.finish().expect_err("told").kind(), io::ErrorKind::BrokenPipe);
    }
}
