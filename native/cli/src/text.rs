//! Words for people: durations, progress, and what others have written, made harmless.

use spindle_protocol::methods::control::{HealthReport, Running, State};
use spindle_protocol::notification::Progress;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The columns of a bar in a line of progress.
const BAR: usize = 24;

/// In one line, and without what a terminal would obey: control characters, and those that reorder the text around
/// them, are written as escapes.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            c if c.is_control() => plain.extend(c.escape_default()),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                plain.extend(character.escape_unicode());
            }
            c => plain.push(c),
        }
    }
    plain
}

/// As much of the beginning as fits into so many columns of a terminal.
pub fn head(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut head = fitting(text.chars(), columns);
    if columns > 0 {
        head.push('…');
    }
    head
}

/// As much of the end as fits into so many columns of a terminal: of a path, the file's name.
pub fn tail(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let tail = fitting(text.chars().rev(), columns);
    tail.chars().chain((columns > 0).then_some('…')).rev().collect()
}

/// What fits beside an ellipsis.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let rest = left.checked_sub(c.width().unwrap_or(0));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    characters.take_while(fits).collect()
}

/// A duration in milliseconds, in the two largest of its units.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if ms < 1000 => format!("{ms} ms"),
        () if ms < 10_000 => format!("{}.{} s", seconds, ms % 1000 / 100),
        () if minutes == 0 => format!("{seconds} s"),
        () if hours == 0 => format!("{minutes} min {} s", seconds % 60),
        () if days == 0 => format!("{hours} h {} min", minutes % 60),
        () => format!("{days} d {} h", hours % 24),
    }
}

/// The share that is done, from 0 to 1, where the whole is known.
pub fn share(progress: &Progress) -> Option<f64> {
    progress.total.filter(|total| *total > 0.0).map(|total| (progress.done / total).clamp(0.0, 1.0))
}

/// How far something has come: `45 %, 45 of 100, message`.
pub fn progress(progress: &Progress) -> String {
    let round = |number: f64| (number * 100.0).round() / 100.0;
    let Progress { done, total, message } = progress;
    let of = total.map(|total| format!(" of {}", round(total))).unwrap_or_default();
    let mut parts: Vec<String> = share(progress).map(|share| format!("{:.0} %", share * 100.0)).into_iter().collect();
    parts.push(format!("{}{of}", round(*done)));
    parts.extend(Some(plain(message)).filter(|message| !message.is_empty()));
    parts.join(", ")
}

/// The same in one line of a terminal, with a bar where there is room for one.
pub fn progress_line(told: &Progress, columns: usize) -> String {
    let words = progress(told);
    let drawn = share(told).filter(|_| columns >= 2 * BAR).map(|share| format!("{} {words}", bar(share, BAR)));
    head(&drawn.unwrap_or(words), columns)
}

/// A share from 0 to 1 as a bar.
pub fn bar(share: f64, columns: usize) -> String {
    let done = (share * columns as f64).round() as usize;
    "█".repeat(done) + &"░".repeat(columns - done)
}

/// A request, by its method and its label.
pub fn request(method: &str, label: &str) -> String {
    if label.is_empty() { plain(method) } else { format!("{} \"{}\"", plain(method), plain(label)) }
}

/// What Blender's main thread does, and since when.
pub fn main_thread(health: &HealthReport) -> String {
    match (health.state, health.running.as_slice()) {
        (State::Ready, _) => "ready".to_owned(),
        (State::Busy, []) => "busy".to_owned(),
        (State::Busy, [first, others @ ..]) => {
            let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
            let Running { method, label, client, for_ms, .. } = first;
            format!("busy for {}: {} of {}{more}", duration(*for_ms), request(method, label), plain(client))
        }
        (State::Blocked, _) => format!("blocked: it has not asked for work for {}", duration(health.last_tick_ms)),
        (State::Stopping, _) => "stopping".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey() {
        let rows = [
            ("Würfel 立方", "Würfel 立方"),
            ("a\u{1b}[2Jb\n\tc\u{7f}\u{9b}", "a\\u{1b}[2Jb\\n\\tc\\u{7f}\\u{9b}"),
            ("gpj.\u{202e}exe\u{2069}", "gpj.\\u{202e}exe\\u{2069}"),
        ];
        for (text, expected) in rows {
            assert_eq!(plain(text), expected);
        }
    }

    /// Both ends of a text, by columns: some characters take two, and none is cut in half.
    #[test]
    fn texts_are_cut_to_columns() {
        let rows = [
            ("abc", 3, "abc", "abc"),
            ("abcd", 3, "ab…", "…cd"),
            ("立方体", 6, "立方体", "立方体"),
            ("立方体", 5, "立方…", "…方体"),
            ("立方体", 4, "立…", "…体"),
            ("abc", 1, "…", "…"),
            ("abc", 0, "", ""),
        ];
        for (text, columns, first, last) in rows {
            assert_eq!((head(text, columns).as_str(), tail(text, columns).as_str()), (first, last), "{text} {columns}");
        }
    }

    #[test]
    fn durations() {
        let rows = [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_049, "1.0 s"),
            (59_999, "59 s"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
            (u64::MAX, "213503982334 d 14 h"),
        ];
        for (ms, expected) in rows {
            assert_eq!(duration(ms), expected);
        }
    }

    #[test]
    fn how_far() {
        let rows = [
            ((45.0, Some(100.0), "frame\n45"), "45 %, 45 of 100, frame\\n45"),
            ((0.1 + 0.2, Some(1.0), ""), "30 %, 0.3 of 1"),
            ((7.0, None, ""), "7"),
            ((7.0, Some(0.0), ""), "7 of 0"),
            ((9.0, Some(3.0), ""), "100 %, 9 of 3"),
        ];
        for ((done, total, message), expected) in rows {
            assert_eq!(progress(&Progress { done, total, message: message.to_owned() }), expected);
        }
        let half = Progress { done: 1.0, total: Some(2.0), message: "half".to_owned() };
        assert_eq!(progress_line(&half, 47), "50 %, 1 of 2, half");
        assert_eq!(progress_line(&half, 48), format!("{}{} 50 %, 1 of 2, half", "█".repeat(12), "░".repeat(12)));
        assert_eq!(progress_line(&Progress { total: None, ..half }, 48), "1, half");
    }
}
