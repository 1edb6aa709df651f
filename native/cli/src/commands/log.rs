//! `spindle log`.

use std::path::PathBuf;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use spindle_client::log::{self, Batch};
use spindle_protocol::error::error_text;
use spindle_protocol::log::{Call, End, Entry, LogLine, Millis, Moment};

use crate::args::Log;
use crate::failure::Failure;
use crate::output::Output;

/// How soon a new line shows.
const POLL: Duration = Duration::from_millis(250);

/// Show the last lines of the log, and with `--follow` those that come.
pub fn log(asked: &Log, output: &mut Output) -> Result<(), Failure> {
    let folder: PathBuf = asked.dir.clone().map_or_else(log::folder, Ok)?;
    let zone = TimeZone::system();
    let mut log = log::Log::new(folder.clone());
    let mut read = |most| {
        let wanted = |line: &LogLine| !asked.failed || line.failed();
        log.read(most, wanted).map_err(|error| Failure::file(&folder, &error))
    };
    let first = read(asked.lines)?;
    if !output.json && (asked.follow || !first.lines.is_empty()) {
        output.line(&heading(&zone))?;
    }
    show(&first, &zone, output)?;
    if !asked.follow {
        let none = first.lines.is_empty().then(|| format!("no such lines in {}", folder.display()));
        return Ok(none.map_or(Ok(()), |text| output.complain(&text))?);
    }
    loop {
        output.pause(POLL)?;
        show(&read(usize::MAX)?, &zone, output)?;
    }
}

fn heading(zone: &TimeZone) -> String {
    let time = format!("TIME ({})", Moment::now().0.to_zoned(zone.clone()).strftime("%Z"));
    let cells = [&time, "PID", "CLIENT", "METHOD", "OUTCOME", "DURATION"].map(str::to_owned);
    columns(cells, "", Style::new(), ' ')
}

fn show(batch: &Batch, zone: &TimeZone, output: &mut Output) -> Result<(), Failure> {
    for line in &batch.lines {
        if output.json {
            output.line(&serde_json::to_string(line).map_err(std::io::Error::from)?)?;
        } else {
            output.styled_line(&describe(line, zone))?;
        }
    }
    if batch.unreadable > 0 {
        let text = "lines that are broken off, or of another version, and not shown";
        output.complain(&format!("{text}: {}", batch.unreadable))?;
    }
    Ok(())
}

fn describe(line: &LogLine, zone: &TimeZone) -> String {
    let (time, pid) = (local(line.t, zone), line.pid.to_string());
    match &line.entry {
        Entry::Request { call, end } => {
            let what = if call.label.is_empty() { &*call.method } else { &format!("{} {:?}", call.method, call.label) };
            let (style, mark) = if line.failed() { (AnsiColor::Red.on_default(), '!') } else { (Style::new(), ' ') };
            let ran = end.ran.map(duration).unwrap_or_default();
            let cells = [time, pid, call.client.clone(), what.to_owned(), end.outcome.clone().into_owned(), ran];
            columns(cells, &more(call, end, zone), style, mark)
        }
        Entry::Event { event, text } => {
            let cells = [time, pid, String::new(), event.clone(), String::new(), String::new()];
            columns(cells, text, Style::new(), ' ')
        }
    }
}

/// What there is to say of a request that did not end well.
fn more(call: &Call, end: &End, zone: &TimeZone) -> String {
    let mut more = vec![end.text.clone()];
    more.extend(end.began.map(|began| format!("begun at {}", local(began, zone))));
    let excerpt = call.script.as_ref().filter(|script| !script.excerpt.is_empty());
    more.extend(excerpt.map(|script| format!("the script {} begins with: {}", script.name, script.excerpt)));
    more.retain(|text| !text.is_empty());
    more.join("; ")
}

/// One line, in columns of fixed width, as those that are still to come cannot be measured.
fn columns(cells: [String; 6], more: &str, style: Style, mark: char) -> String {
    let [time, pid, client, what, outcome, ran] = cells.map(|cell| plain(&cell));
    let (client, what) = (cut(client, 20), cut(what, 40));
    let head = format!("{time:<23}  {pid:>7}  {client:<20}  {what:<40}");
    let line = format!("{head} {style}{mark}{outcome:<17}{style:#}  {ran:>9}  {}", plain(more));
    line.trim_end().to_owned()
}

/// In one line, and without what a terminal would obey.
fn plain(text: &str) -> String {
    error_text(text).replace('\n', "\\n")
}

fn cut(text: String, width: usize) -> String {
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn local(time: Moment, zone: &TimeZone) -> String {
    time.0.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn duration(Millis(duration): Millis) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

#[cfg(test)]
mod tests {
    use spindle_protocol::log::{BLENDER_DIED, OK, Script};

    use super::*;

    fn check(entry: Entry, expected: &str) {
        let t = Moment("2026-07-25T10:11:12.34Z".parse().expect("a time"));
        let line = LogLine { t, seq: 1, instance: "a".to_owned(), pid: 42, entry };
        assert_eq!(describe(&line, &TimeZone::fixed(jiff::tz::offset(2))), expected);
    }

    fn request(label: &str, end: End) -> Entry {
        let script =
            Some(Script { name: "a.py".to_owned(), excerpt: "while True:\n  pass".to_owned(), ..Script::default() })
                .filter(|_| end.began.is_some());
        let (client, label) = ("agent".to_owned(), label.to_owned());
        let call = Call { client, method: "script.run".into(), label, script, ..Call::default() };
        Entry::Request { call: Box::new(call), end }
    }

    #[test]
    fn lines_for_people() {
        let ran = |micros| Some(Millis(Duration::from_micros(micros)));
        let head = "2026-07-25 12:11:12.340       42  ";
        let asked = format!("{head}agent                 script.run");
        check(
            request("chair", End { ran: ran(3_420), ..End::new(OK) }),
            &format!("{asked} \"chair\"                        ok                    3.4 ms"),
        );
        let text = "ValueError: \u{1b}[31mno\nnever".to_owned();
        let raised = "\u{1b}[31m!raised           \u{1b}[0m     61.0 s  ValueError: \\u{1b}[31mno\\nnever";
        check(
            request("a label longer than its column", End { ran: ran(61_000_000), text, ..End::new("raised") }),
            &format!("{asked} \"a label longer than its col… {raised}"),
        );
        let began = Some(Moment("2026-07-25T10:11:11Z".parse().expect("a time")));
        let died = "\u{1b}[31m!blender_died     \u{1b}[0m             begun at 2026-07-25 12:11:11.000";
        check(
            request("", End { began, ..End::new(BLENDER_DIED) }),
            &format!("{asked}{:31}{died}; the script a.py begins with: while True:\\n  pass", ""),
        );
        check(
            Entry::Event { event: "start".to_owned(), text: "Spindle".to_owned() },
            &format!("{head}{:22}{:40}{:32}Spindle", "", "start", ""),
        );
    }
}
