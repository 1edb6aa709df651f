//! The lists of clients and of requests: a heading, and as many rows as there is room for.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Stylize;
use ratatui::text::Text;
use ratatui::widgets::{Row, Table, Widget};
use spindle_protocol::methods::watch::Activity;

use super::probe::Snapshot;
use crate::text::{self, duration, plain};

/// Rows below a heading.
pub struct List<const N: usize> {
    heading: [String; N],
    widths: [Constraint; N],
    /// The first column with numbers; they stand at the right.
    numbers: usize,
    rows: Vec<[String; N]>,
    /// Further rows that the server did not tell.
    untold: usize,
}

/// The connected clients.
pub fn clients(stats: &Activity) -> List<5> {
    let number = |number: u64| number.to_string();
    let rows = stats.clients.iter().map(|client| {
        let (name, version) = (plain(&client.name), plain(&client.version));
        [name, version, number(client.connections), number(client.in_flight), number(client.requests)]
    });
    let count = stats.clients.len();
    List {
        heading: [&*format!("CLIENTS ({count})"), "VERSION", "CONNECTIONS", "IN FLIGHT", "REQUESTS"].map(str::to_owned),
        widths: [
            Constraint::Min(16),
            Constraint::Max(16),
            Constraint::Length(11),
            Constraint::Length(9),
            Constraint::Length(12),
        ],
        numbers: 2,
        rows: rows.collect(),
        untold: 0,
    }
}

/// What runs, and what waits.
pub fn requests(snapshot: &Snapshot) -> List<5> {
    let Activity { running, waiting, .. } = &snapshot.stats;
    let runs = running.iter().map(|one| {
        let progress = one.progress.as_ref().and_then(text::share).map(|share| format!("{:.0} %", share * 100.0));
        let (what, client) = (text::request(&one.method, &one.label), plain(&one.client));
        [what, client, "runs".to_owned(), progress.unwrap_or_default(), duration(one.for_ms)]
    });
    let waits = waiting.iter().map(|one| {
        let (what, client) = (text::request(&one.method, &one.label), plain(&one.client));
        [what, client, "waits".to_owned(), String::new(), duration(one.for_ms)]
    });
    // Health and activity are told one after the other, so the numbers may differ a little.
    let queued = waiting.len().max(snapshot.health.queued as usize);
    let title = format!("REQUESTS ({} run, {queued} wait)", running.len());
    List {
        heading: [&*title, "CLIENT", "STATE", "DONE", "FOR"].map(str::to_owned),
        widths: [
            Constraint::Min(20),
            Constraint::Max(20),
            Constraint::Length(5),
            Constraint::Length(5),
            Constraint::Length(12),
        ],
        numbers: 3,
        rows: runs.chain(waits).collect(),
        untold: queued - waiting.len(),
    }
}

impl<const N: usize> List<N> {
    /// Lines that show everything.
    pub fn height(&self) -> u16 {
        let note = usize::from(self.untold > 0);
        u16::try_from(1 + self.rows.len() + note).unwrap_or(u16::MAX)
    }

    /// Draw as much as there is room for.
    pub fn draw(self, area: Rect, buffer: &mut Buffer) {
        let room = usize::from(area.height.saturating_sub(1));
        let all = self.rows.len() + self.untold;
        // Where not all are shown, the last line says how many are not.
        let shown = if self.height() > area.height || self.untold > 0 { room.saturating_sub(1) } else { room };
        let shown = shown.min(self.rows.len());
        let row = |cells: [String; N]| {
            Row::new(cells.into_iter().enumerate().map(|(column, cell)| {
                if column >= self.numbers { Text::from(cell).right_aligned() } else { Text::from(cell) }
            }))
        };
        let mut rows: Vec<Row> = self.rows.into_iter().take(shown).map(row).collect();
        if shown < all {
            rows.push(Row::new([format!("… and {} more", all - shown)]).dim());
        }
        Table::new(rows, self.widths).header(row(self.heading).bold()).column_spacing(2).render(area, buffer);
    }
}
