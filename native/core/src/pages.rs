//! What the pages of the endpoint for monitoring programs tell.

use spindle_protocol::methods::control::State;

use crate::http::{Content, Page, Status};
use crate::metrics::{CONTENT_TYPE, Gauges, Metrics};

/// A page, as things are now.
pub fn content(page: Page, metrics: &Metrics, now: &Gauges) -> Content {
    match page {
        Page::Metrics => Content { status: Status::Ok, media: CONTENT_TYPE, body: metrics.text(now) },
        Page::Health if now.healthy => Content::line(Status::Ok, "ok"),
        Page::Health => Content::line(Status::Unavailable, "unhealthy"),
        // A busy server takes requests: they are run after what runs.
        Page::Ready => match now.state {
            State::Ready => Content::line(Status::Ok, "ready"),
            State::Busy => Content::line(Status::Ok, "busy"),
            State::Blocked => Content::line(Status::Unavailable, "blocked"),
            State::Stopping => Content::line(Status::Unavailable, "stopping"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gauges(state: State, healthy: bool) -> Gauges {
        Gauges {
            state,
            healthy,
            alerts: Vec::new(),
            queued: 0,
            asking: 0,
            running: 0,
            connections: 0,
            sessions: 0,
            generation: 0,
            kept_bytes: 0,
            cache_entries: 0,
            uptime: Duration::ZERO,
        }
    }

    /// HEALTH: a long render does not alarm, a main thread that stands still for no known cause does.
    #[test]
    fn pages_tell_how_the_server_is() {
        let metrics = Metrics::new();
        let rows = [
            (State::Ready, true, (Status::Ok, "ok\n"), (Status::Ok, "ready\n")),
            (State::Busy, true, (Status::Ok, "ok\n"), (Status::Ok, "busy\n")),
            (State::Blocked, true, (Status::Ok, "ok\n"), (Status::Unavailable, "blocked\n")),
            (State::Blocked, false, (Status::Unavailable, "unhealthy\n"), (Status::Unavailable, "blocked\n")),
            (State::Stopping, true, (Status::Ok, "ok\n"), (Status::Unavailable, "stopping\n")),
        ];
        for (state, healthy, health, ready) in rows {
            let now = gauges(state, healthy);
            for (page, (status, body)) in [(Page::Health, health), (Page::Ready, ready)] {
                let told = content(page, &metrics, &now);
                assert_eq!((told.status, told.body.as_str()), (status, body), "{page:?} {state:?} {healthy}");
            }
            let told = content(Page::Metrics, &metrics, &now);
            assert_eq!((told.status, told.media), (Status::Ok, "text/plain; version=0.0.4"));
            assert!(told.body.starts_with("# HELP spindle_"), "{}", told.body);
        }
    }
}
