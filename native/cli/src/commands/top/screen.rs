//! The terminal, its keys, and the loop. The terminal is as before however this ends.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use spindle_client::Error;

use super::board::Board;
use super::probe::{Probe, Snapshot};
use super::view;
use crate::failure::Failure;

/// How soon a look or a signal shows; a key shows at once.
const STEP: Duration = Duration::from_millis(50);

type Look = Result<Snapshot, Error>;

/// Show a board, and look every `interval`, until the user or a signal ends it.
pub fn watch(probe: Probe, board: Board, interval: Duration, quit: &Arc<AtomicBool>) -> Result<(), Failure> {
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(quit))?;
    }
    // Asking has a thread of its own: where no answer comes, keys still work.
    let (sender, looks) = channel();
    let asked_to_quit = Arc::clone(quit);
    let prober = thread::spawn(move || look_on(probe, &sender, interval, &asked_to_quit));
    let shown =
        on_terminal(|terminal| show(terminal, board, &looks, || quit.load(Ordering::Relaxed) || prober.is_finished()));
    quit.store(true, Ordering::Relaxed);
    prober.thread().unpark();
    if let Err(panic) = prober.join() {
        resume_unwind(panic);
    }
    shown
}

fn look_on(mut probe: Probe, looks: &Sender<Look>, interval: Duration, quit: &AtomicBool) {
    loop {
        let next = Instant::now() + interval;
        while Instant::now() < next {
            if quit.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
        if looks.send(probe.look()).is_err() {
            return;
        }
    }
}

/// Do something on a screen of its own; a panic restores the terminal too.
fn on_terminal(work: impl FnOnce(&mut DefaultTerminal) -> io::Result<()>) -> Result<(), Failure> {
    let started = ratatui::try_init();
    let (done, restored) = match started {
        Ok(mut terminal) => (work(&mut terminal), ratatui::try_restore()),
        Err(error) => (Err(error), ratatui::try_restore()),
    };
    done.and(restored).map_err(|error| Failure::Usage(format!("cannot draw on this terminal: {error}")))
}

fn show(
    terminal: &mut DefaultTerminal,
    mut board: Board,
    looks: &Receiver<Look>,
    is_over: impl Fn() -> bool,
) -> io::Result<()> {
    let mut stale = true;
    while !is_over() {
        for look in looks.try_iter() {
            board.update(look);
            stale = true;
        }
        if std::mem::take(&mut stale) {
            terminal.draw(|frame| view::draw(&board, frame.area(), frame.buffer_mut()))?;
        }
        if event::poll(STEP)? {
            stale = true;
            match event::read()? {
                Event::Key(key) if !key.is_press() => {}
                Event::Key(key) if is_quit(key) => return Ok(()),
                Event::Key(KeyEvent { code: KeyCode::Char('p' | ' '), .. }) => board.paused = !board.paused,
                _ => {}
            }
        }
    }
    Ok(())
}

/// In raw mode Ctrl-C is a key like any other.
fn is_quit(key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => true,
        KeyCode::Char('c' | 'd') => key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}
