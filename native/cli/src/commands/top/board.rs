//! What `spindle top` knows.

use std::collections::VecDeque;

use spindle_client::Error;

use super::probe::Snapshot;

/// Rates that are kept: one for each column of a wide terminal.
const KEPT: usize = 400;

/// What is to be shown.
#[derive(Debug)]
pub struct Board {
    /// The last snapshot, or why there is none.
    pub latest: Result<Snapshot, String>,
    /// Requests per second between two looks each, newest first.
    pub rates: VecDeque<u64>,
    /// Whether the board stays as it is.
    pub paused: bool,
}

impl Board {
    /// A board with a first look.
    pub fn new(first: Result<Snapshot, Error>) -> Board {
        Board { latest: first.map_err(|error| error.to_string()), rates: VecDeque::new(), paused: false }
    }

    /// Take in another look.
    pub fn update(&mut self, look: Result<Snapshot, Error>) {
        if self.paused {
            return;
        }
        let look = look.map_err(|error| error.to_string());
        if let (Ok(before), Ok(now)) = (&self.latest, &look)
            && let Some(rate) = rate(before, now)
        {
            self.rates.push_front(rate);
            self.rates.truncate(KEPT);
        }
        self.latest = look;
    }
}

/// Requests per second between two looks at the same server.
fn rate(before: &Snapshot, now: &Snapshot) -> Option<u64> {
    let (before, now) = ((&before.server.instance, &before.health), (&now.server.instance, &now.health));
    let passed_ms = now.1.uptime_ms.checked_sub(before.1.uptime_ms).filter(|ms| *ms > 0 && now.0 == before.0)?;
    Some(now.1.answered.saturating_sub(before.1.answered).saturating_mul(1000) / passed_ms)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use spindle_client::{Fate, Server};

    use super::*;

    fn look(instance: &str, uptime_ms: u64, answered: u64) -> Result<Snapshot, Error> {
        let health = json!({
            "state": "ready", "healthy": true, "alerts": [], "last_tick_ms": 0, "running": [], "queued": 0,
            "connections": 1, "sessions": 1, "answered": answered, "uptime_ms": uptime_ms, "generation": 0,
            "guard": "guarded", "policy": "1", "asking": 0, "limits": {}, "version": "", "blender": "", "window": false,
        });
        let latency = json!({"p50_ms": 0.0, "p90_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0});
        let stats = json!({"requests": 0, "failed": 0, "rate": 0.0, "latency": latency, "clients": [], "running": [],
                           "waiting": []});
        let server = Server {
            instance: instance.to_owned(),
            port: 1,
            pid: 1,
            version: String::new(),
            blender: String::new(),
            window: false,
            file: String::new(),
        };
        let health = serde_json::from_value(health).expect("a report");
        Ok(Snapshot { server, health, stats: serde_json::from_value(stats).expect("an activity") })
    }

    /// A rate needs two looks at one server at different times; its clock counts, not ours.
    #[test]
    fn rates() {
        let mut board = Board::new(look("a", 1000, 10));
        let looks = [
            (look("a", 3000, 30), vec![10]),
            (look("a", 3000, 40), vec![10]),
            (look("a", 2000, 50), vec![10]),
            (Err(Error::Interrupted { fate: Fate::NotSent }), vec![10]),
            (look("b", 2000, 60), vec![10]),
            (look("b", 2500, 70), vec![20, 10]),
            (look("b", 3500, 7), vec![0, 20, 10]),
        ];
        for (look, expected) in looks {
            board.update(look);
            assert_eq!(board.rates, expected);
        }
        board.paused = true;
        board.update(look("b", 9000, 90));
        assert_eq!(board.latest.expect("a snapshot").health.uptime_ms, 3500);
    }
}
