//! A board as text on a screen: a pure function.

use std::collections::VecDeque;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline, Widget, Wrap};
use spindle_protocol::methods::control::{Alert, HealthReport, State};
use spindle_protocol::methods::watch::Activity;
use unicode_width::UnicodeWidthStr;

use super::board::Board;
use super::list::{clients, requests};
use super::probe::{Snapshot, WINDOW_S};
use crate::text::{self, duration, plain};

/// The columns of a look that goes to no terminal.
const PLAIN_COLUMNS: u16 = 120;

/// The columns of a fact's name.
const NAME: usize = 13;

/// The columns of a bar of progress.
const BAR: usize = 30;

/// Alerts that are shown; more would leave no room for the rest.
const ALERTS: usize = 5;

/// Lines of the chart of rates.
const CHART: u16 = 2;

/// Draw a board.
pub fn draw(board: &Board, area: Rect, buffer: &mut Buffer) {
    let [body, footer] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    match &board.latest {
        Ok(snapshot) => draw_snapshot(snapshot, board, body, buffer),
        Err(why) => draw_waiting(why, body, buffer),
    }
    let paused = if board.paused { " paused ".reversed() } else { "".into() };
    Line::from_iter(["q".bold(), " quit   ".into(), "p".bold(), " pause   ".into(), paused]).render(footer, buffer);
}

/// One look as lines of text.
pub fn lines(board: &Board) -> Vec<String> {
    let Ok(snapshot) = &board.latest else { return Vec::new() };
    let rows = snapshot.stats.clients.len() + snapshot.stats.running.len() + snapshot.stats.waiting.len();
    // Room for the facts, both headings, and a blank line before each.
    let height = u16::try_from(rows + ALERTS + 16).unwrap_or(u16::MAX);
    let mut buffer = Buffer::empty(Rect::new(0, 0, PLAIN_COLUMNS, height));
    draw_snapshot(snapshot, board, buffer.area, &mut buffer);
    let cells = buffer.content.chunks(usize::from(PLAIN_COLUMNS));
    let mut lines: Vec<String> = cells.map(line_of).collect();
    lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
    lines
}

/// A wide character takes the cells after it too, which are blank.
fn line_of(cells: &[Cell]) -> String {
    let mut line = String::new();
    let mut covered = 0;
    for cell in cells {
        if covered == 0 {
            line.push_str(cell.symbol());
        }
        covered = covered.max(cell.symbol().width()).saturating_sub(1);
    }
    line.trim_end().to_owned()
}

fn draw_waiting(why: &str, area: Rect, buffer: &mut Buffer) {
    let reason = why.lines().map(|line| Line::from(plain(line)));
    let lines: Vec<Line> = std::iter::once("waiting for Blender".yellow().bold().into()).chain(reason).collect();
    Paragraph::new(lines).wrap(Wrap { trim: false }).render(area, buffer);
}

fn draw_snapshot(snapshot: &Snapshot, board: &Board, area: Rect, buffer: &mut Buffer) {
    let facts = facts(snapshot, usize::from(area.width));
    let clients = clients(&snapshot.stats);
    let requests = requests(snapshot);
    let chart = if board.rates.is_empty() { 0 } else { CHART };
    let heights = [facts.len() as u16, chart, 1].map(Constraint::Length);
    let [top, chart, _, rest] = Layout::vertical(heights.into_iter().chain([Constraint::Fill(1)])).areas(area);
    Paragraph::new(facts).render(top, buffer);
    draw_chart(&board.rates, chart, buffer);
    // Both lists as a whole where they fit; else half for each, and what one leaves goes to the other.
    let (half, wanted) = (rest.height / 2, requests.height() + 1);
    let upper = clients.height().min(half.max(rest.height.saturating_sub(wanted)));
    let [upper, _, lower] =
        Layout::vertical([Constraint::Length(upper), Constraint::Length(1), Constraint::Fill(1)]).areas(rest);
    clients.draw(upper, buffer);
    requests.draw(lower, buffer);
}

/// The last rates, the newest at the right, and the highest of them as a number.
fn draw_chart(rates: &VecDeque<u64>, area: Rect, buffer: &mut Buffer) {
    let [title, chart] = Layout::horizontal([Constraint::Length(NAME as u16), Constraint::Fill(1)]).areas(area);
    let shown = rates.iter().copied().take(usize::from(chart.width));
    let peak = shown.clone().max().unwrap_or(0);
    Line::from(format!("up to {peak}/s")).dim().render(title, buffer);
    Sparkline::default()
        .data(shown)
        .max(peak)
        .direction(RenderDirection::RightToLeft)
        .style(Color::Cyan)
        .render(chart, buffer);
}

/// What there is to say in one line each, below each other.
fn facts(snapshot: &Snapshot, columns: usize) -> Vec<Line<'static>> {
    let Snapshot { server, health, stats } = snapshot;
    let room = columns.saturating_sub(NAME);
    let window = if server.window { "with a window" } else { "headless" };
    let (version, up) = (plain(&health.blender), duration(health.uptime_ms));
    let who = format!("Blender {version}, {window}, pid {}, port {}, up {up}", server.pid, server.port);
    let file = if server.file.is_empty() { "(unsaved)".to_owned() } else { text::tail(&plain(&server.file), room) };
    let is_well = if health.healthy { "healthy".green() } else { "UNHEALTHY".red().bold() };
    let doing = Span::styled(text::main_thread(health), state_colour(health.state));
    let mut facts = vec![fact(is_well, who), fact("file", file), fact("main thread", doing)];
    let progress = health.running.first().and_then(|running| running.progress.as_ref());
    facts.extend(progress.map(|progress| {
        let bar = text::share(progress).map(|share| format!("{}  ", text::bar(share, BAR))).unwrap_or_default();
        fact("progress", bar + &text::progress(progress))
    }));
    facts.extend(alerts(health));
    facts.extend(activity(stats));
    facts
}

/// How busy it was lately, and how long requests took.
fn activity(stats: &Activity) -> [Line<'static>; 2] {
    let Activity { requests, failed, rate, latency, .. } = stats;
    let failures = format!("{failed} failed");
    let failures = if *failed > 0 { failures.red() } else { failures.into() };
    let rate = format!("{rate:.1}/s, {requests} requests in {WINDOW_S} s, ");
    let spread = [("p50", latency.p50_ms), ("p90", latency.p90_ms), ("p99", latency.p99_ms), ("max", latency.max_ms)];
    let spread = spread.map(|(name, ms)| format!("{name} {}", millis(ms))).join(", ");
    let latency = if *requests > 0 { spread } else { "-".to_owned() };
    [Line::from_iter([name("rate"), rate.into(), failures]), fact("latency", latency)]
}

fn alerts(health: &HealthReport) -> Vec<Line<'static>> {
    let line = |alert: &Alert| {
        let Alert { name, text, for_ms } = alert;
        fact("alert".red(), format!("{}: {} (for {})", plain(name), plain(text), duration(*for_ms)))
    };
    let mut lines: Vec<Line> = health.alerts.iter().take(ALERTS).map(line).collect();
    let more = health.alerts.len().saturating_sub(ALERTS);
    lines.extend((more > 0).then(|| fact("", format!("and {more} more alerts"))));
    lines
}

fn fact(title: impl Into<Span<'static>>, value: impl Into<Span<'static>>) -> Line<'static> {
    Line::from_iter([name(title), value.into()])
}

fn name(title: impl Into<Span<'static>>) -> Span<'static> {
    let Span { style, content } = title.into();
    // What has no colour of its own steps back behind the values.
    let style = if style == Style::default() { Style::new().dim() } else { style };
    Span::styled(format!("{content:<NAME$}"), style)
}

fn state_colour(state: State) -> Color {
    match state {
        State::Ready => Color::Green,
        State::Busy => Color::Yellow,
        State::Blocked => Color::Red,
        State::Stopping => Color::Magenta,
    }
}

/// Milliseconds with as many digits as tell something.
fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => duration(ms as u64),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::{Value, json};
    use spindle_client::{Error, Fate, Server};

    use super::*;

    /// A snapshot as a server would tell it, but for what is changed.
    fn snapshot(change: impl FnOnce(&mut Server, &mut Value, &mut Value)) -> Snapshot {
        let mut server = Server {
            instance: "a".to_owned(),
            port: 40123,
            pid: 4242,
            version: "0.1.0".to_owned(),
            blender: "5.2.2".to_owned(),
            window: false,
            file: String::new(),
        };
        let mut health = json!({
            "state": "ready", "healthy": true, "alerts": [], "last_tick_ms": 0, "running": [], "queued": 0,
            "connections": 1, "sessions": 1, "answered": 8124, "uptime_ms": 11_520_000, "generation": 7,
            "guard": "guarded", "policy": "1", "asking": 0, "limits": {}, "version": "0.1.0", "blender": "5.2.2", "window": false,
        });
        let mut stats = json!({
            "requests": 0, "failed": 0, "rate": 0.0,
            "latency": {"p50_ms": 0.0, "p90_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0},
            "clients": [], "running": [], "waiting": [],
        });
        change(&mut server, &mut health, &mut stats);
        let health = serde_json::from_value(health).expect("a report");
        Snapshot { server, health, stats: serde_json::from_value(stats).expect("an activity") }
    }

    fn busy() -> Snapshot {
        snapshot(|server, health, stats| {
            server.file = "/models/chair.blend".to_owned();
            let turntable = json!({"method": "render.animation", "label": "Turntable", "client": "pipeline",
                "for_ms": 123_000, "progress": {"done": 45, "total": 100, "message": "frame 45"}});
            (health["state"], health["running"]) = (json!("busy"), json!([turntable]));
            health["alerts"] =
                json!([{"name": "queue_depth", "text": "12 requests wait, more than 10", "for_ms": 30_000}]);
            health["queued"] = json!(12);
            (stats["requests"], stats["failed"], stats["rate"]) = (json!(8124), json!(3), json!(812.4));
            stats["latency"] = json!({"p50_ms": 0.034, "p90_ms": 0.1, "p99_ms": 51.4, "max_ms": 2150.0});
            let client = |name: &str, requests: u64| json!({"name": name, "version": "1.0", "connections": 2, "in_flight": 1, "requests": requests});
            stats["clients"] = json!([client("blender-mcp", 1204), client("pipeline", 7)]);
            stats["running"] = json!([turntable]);
            let waiting = |n: u64| json!({"method": "scene.get", "label": "", "client": "blender-mcp", "for_ms": n});
            stats["waiting"] = (0..10).map(|n| waiting(n * 100)).collect();
        })
    }

    fn board(latest: Result<Snapshot, Error>) -> Board {
        let mut board = Board::new(latest);
        board.rates = [800, 400, 0, 200].into();
        board
    }

    fn screen(board: &Board, columns: u16, lines: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("made");
        terminal.draw(|frame| draw(board, frame.area(), frame.buffer_mut())).expect("drawn");
        let cells = terminal.backend().buffer().content.chunks(usize::from(columns.max(1)));
        cells.map(|cells| line_of(cells) + "\n").collect()
    }

    const BUSY: &str = r#"healthy      Blender 5.2.2, headless, pid 4242, port 40123, up 3 h 12 min
file         /models/chair.blend
main thread  busy for 2 min 3 s: render.animation "Turntable" of pipeline
progress     ██████████████░░░░░░░░░░░░░░░░  45 %, 45 of 100, frame 45
alert        queue_depth: 12 requests wait, more than 10 (for 30 s)
rate         812.4/s, 8124 requests in 10 s, 3 failed
latency      p50 0.03 ms, p90 0.10 ms, p99 51 ms, max 2.1 s
up to 800/s                                                                    █
                                                                            ▄ ██

CLIENTS (2)               VERSION           CONNECTIONS  IN FLIGHT      REQUESTS
blender-mcp               1.0                         2          1          1204
pipeline                  1.0                         2          1             7

REQUESTS (1 run, 12 wait)       CLIENT                STATE   DONE           FOR
render.animation "Turntable"    pipeline              runs    45 %     2 min 3 s
scene.get                       blender-mcp           waits                 0 ms
scene.get                       blender-mcp           waits               100 ms
scene.get                       blender-mcp           waits               200 ms
scene.get                       blender-mcp           waits               300 ms
scene.get                       blender-mcp           waits               400 ms
scene.get                       blender-mcp           waits               500 ms
… and 6 more
q quit   p pause
"#;

    #[test]
    fn a_busy_blender() {
        assert_eq!(screen(&board(Ok(busy())), 80, 24), BUSY);
        // A wide and high screen shows everything but the two that the server has not told.
        let wide = screen(&board(Ok(busy())), 120, 40);
        let rows: Vec<&str> = wide.lines().collect();
        assert_eq!(rows[8].len(), 116 + "▄ ██".len(), "the chart takes the whole width");
        assert_eq!((rows[26], rows[27].trim(), rows[39]), ("… and 2 more", "", "q quit   p pause"), "{wide}");
        assert!(rows[25].starts_with("scene.get") && rows[25].ends_with("900 ms"), "{wide}");
        // On a narrow one names come before numbers.
        let narrow = screen(&board(Ok(busy())), 40, 24);
        assert!(narrow.contains("\nblender-mcp") && narrow.contains("\nscene.get"), "{narrow}");
        // Without a terminal there are no keys, no chart and no limit to the lines.
        let text = lines(&Board::new(Ok(busy())));
        assert_eq!((text.len(), text[0].as_str()), (25, BUSY.lines().next().expect("a line")));
        assert_eq!(text[24], "… and 2 more");
    }

    fn check(change: impl FnOnce(&mut Server, &mut Value, &mut Value), expected: &[&str]) {
        let drawn = screen(&board(Ok(snapshot(change))), 80, 24);
        for line in expected {
            assert!(drawn.lines().any(|drawn| drawn == *line), "{line:?} in\n{drawn}");
        }
        assert!(!drawn.contains(|c: char| c.is_control() && c != '\n'), "{drawn:?}");
    }

    #[test]
    fn states() {
        check(
            |_, _, _| {},
            &[
                "file         (unsaved)",
                "main thread  ready",
                "rate         0.0/s, 0 requests in 10 s, 0 failed",
                "latency      -",
                "REQUESTS (0 run, 0 wait)        CLIENT                STATE   DONE           FOR",
            ],
        );
        check(
            |server, _, _| server.window = true,
            &["healthy      Blender 5.2.2, with a window, pid 4242, port 40123, up 3 h 12 min"],
        );
        check(
            |_, health, _| {
                (health["state"], health["healthy"], health["last_tick_ms"]) =
                    (json!("blocked"), json!(false), json!(75_000));
                let alert = |n: u32| json!({"name": "unhealthy", "text": format!("number {n}"), "for_ms": 1000});
                health["alerts"] = (1..=7).map(alert).collect();
            },
            &[
                "UNHEALTHY    Blender 5.2.2, headless, pid 4242, port 40123, up 3 h 12 min",
                "main thread  blocked: it has not asked for work for 1 min 15 s",
                "alert        unhealthy: number 5 (for 1.0 s)",
                "             and 2 more alerts",
            ],
        );
        check(|_, health, _| health["state"] = json!("stopping"), &["main thread  stopping"]);
        check(
            |_, health, _| {
                let one = |n: u32| json!({"method": format!("m{n}"), "label": "", "client": "c", "for_ms": n});
                (health["state"], health["running"]) = (json!("busy"), json!([one(1), one(2), one(3)]));
            },
            &["main thread  busy for 1 ms: m1 of c, and 2 more"],
        );
    }

    /// Names that others chose neither reach the terminal as commands nor break the columns.
    #[test]
    fn hostile_names() {
        check(
            |server, health, stats| {
                server.file =
                    "/models/\u{1b}[2J\u{7}/立方体/a-very-long-folder-name-that-does-not-fit/chair.blend".to_owned();
                (health["blender"], health["queued"]) = (json!("5\r\n2"), json!(1));
                let client = "\u{1b}]0;owned\u{7}\u{202e}evil\nname\u{9b}31m and so on and on";
                stats["clients"] = json!([
                    {"name": client, "version": "1\t0", "connections": 1, "in_flight": 0, "requests": 12},
                    {"name": "立方体立方体立方体立方体立方体", "version": "", "connections": 1, "in_flight": 0, "requests": 0},
                ]);
                stats["waiting"] = json!([{"method": "a", "label": "\u{1b}[31m", "client": client, "for_ms": 60_000}]);
            },
            &[
                r"healthy      Blender 5\r\n2, headless, pid 4242, port 40123, up 3 h 12 min",
                r"file         …\u{7}/立方体/a-very-long-folder-name-that-does-not-fit/chair.blend",
                r"\u{1b}]0;owned\u{7}\u{20  1\t0                        1          0            12",
                r"立方体立方体立方体立方体                              1          0             0",
                r#"a "\u{1b}[31m"                  \u{1b}]0;owned\u{7}\  waits            1 min 0 s"#,
            ],
        );
    }

    /// Where there is hardly any room there is hardly any text, and no panic.
    #[test]
    fn small_screens() {
        for (columns, lines) in [(0, 0), (1, 1), (5, 3), (20, 10), (79, 12), (12, 60), (500, 2)] {
            for board in [board(Ok(busy())), board(Err(Error::Interrupted { fate: Fate::NotSent }))] {
                assert_eq!(
                    screen(&board, columns, lines).lines().count(),
                    usize::from(if columns > 0 { lines } else { 0 })
                );
            }
        }
    }

    /// The upper list takes what the lower one leaves, and no less than half.
    #[test]
    fn many_clients() {
        let crowd = |stats: &mut Value| {
            let client = |n: u32| json!({"name": format!("c{n}"), "version": "1", "connections": 1, "in_flight": 0, "requests": n});
            stats["clients"] = (0..50).map(client).collect();
        };
        check(
            |_, _, stats| crowd(stats),
            &["CLIENTS (50)              VERSION           CONNECTIONS  IN FLIGHT      REQUESTS", "… and 39 more"],
        );
        let mut both = busy();
        both.stats.clients = snapshot(|_, _, stats| crowd(stats)).stats.clients;
        let drawn = screen(&board(Ok(both)), 80, 24);
        let notes: Vec<&str> = drawn.lines().filter(|line| line.starts_with('…')).collect();
        assert_eq!(notes, ["… and 46 more", "… and 9 more"], "{drawn}");
    }

    #[test]
    fn without_a_blender() {
        let why = "no running Blender fits \u{1b}[2J; these run:\n  pid 1";
        let mut board = board(Err(Error::Invalid(why.to_owned())));
        board.paused = true;
        let expected = "waiting for Blender\nno running Blender fits \\u{1b}[2J; these\nrun:\n  pid 1\n\nq quit   p pause    paused\n";
        assert_eq!(screen(&board, 42, 6), expected);
        assert_eq!(lines(&board), [""; 0]);
    }
}
