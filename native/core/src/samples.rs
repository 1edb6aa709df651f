//! How long the last requests took, for the percentiles that `stats` tells. Prometheus has its histograms;
//! this is for people who look now.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use spindle_protocol::methods::watch::Latency;

/// Spans below this are taken as this long, so that a rate is a number.
const LEAST_SPAN: Duration = Duration::from_millis(1);

/// A request that has ended. In 24 bytes: 100,000 of them take 3 MiB at most.
#[derive(Clone, Copy, Debug)]
struct Sample {
    ended: Instant,
    micros: u32,
    ok: bool,
}

#[derive(Debug)]
struct Ring {
    samples: VecDeque<Sample>,
    /// Of all that ended later, the samples are here.
    complete_since: Instant,
}

/// The last samples, oldest out first (BOUNDED_SAMPLES). Any thread may add; memory grows with use, up to
/// the bound.
#[derive(Debug)]
pub struct Samples {
    most: usize,
    ring: Mutex<Ring>,
}

/// What the samples of a window say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Requests that ended in it, as far as their samples are still kept.
    pub requests: u64,
    /// Those of them that did not end well.
    pub failed: u64,
    /// Requests per second, in that part of the window of which all samples are kept.
    pub rate: f64,
    /// How long they took.
    pub latency: Latency,
}

impl Samples {
    /// No samples yet, and room for `most`.
    pub fn new(most: usize, now: Instant) -> Samples {
        Samples { most, ring: Mutex::new(Ring { samples: VecDeque::new(), complete_since: now }) }
    }

    /// A request has ended. What took longer than 71 minutes counts as that.
    pub fn add(&self, ended: Instant, took: Duration, ok: bool) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let mut ring = self.ring.lock();
        if ring.samples.len() >= self.most
            && let Some(oldest) = ring.samples.pop_front()
        {
            ring.complete_since = oldest.ended;
        }
        ring.samples.push_back(Sample { ended, micros, ok });
    }

    /// What is known of the last `window`. Adding waits only while the samples are copied.
    pub fn summary(&self, window: Duration, now: Instant) -> Summary {
        let mut failed = 0;
        let (mut micros, span) = {
            let ring = self.ring.lock();
            let age = |then: Instant| now.saturating_duration_since(then);
            let recent = ring.samples.iter().rev().take_while(|sample| age(sample.ended) <= window);
            let micros: Vec<u32> = recent
                .map(|sample| {
                    failed += u64::from(!sample.ok);
                    sample.micros
                })
                .collect();
            (micros, age(ring.complete_since).min(window).max(LEAST_SPAN))
        };
        let requests = micros.len() as u64;
        Summary { requests, failed, rate: requests as f64 / span.as_secs_f64(), latency: latency(&mut micros) }
    }
}

/// Percentiles by nearest rank: each is the time of a request that there was. Each look-up needs only what
/// the one before has found to be longer.
fn latency(micros: &mut [u32]) -> Latency {
    let (count, mut from) = (micros.len(), 0);
    let mut millis_at = |percent: usize| {
        let rank = (count * percent).div_ceil(100);
        let index = rank.checked_sub(1)?;
        let (_, found, _) = micros[from..].select_nth_unstable(index - from);
        let found = *found;
        from = index;
        Some(f64::from(found) / 1000.0)
    };
    let mut next = |percent| millis_at(percent).unwrap_or_default();
    Latency { p50_ms: next(50), p90_ms: next(90), p99_ms: next(99), max_ms: next(100) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Percentiles of requests that took these milliseconds, in any order.
    #[test]
    fn percentiles_are_by_nearest_rank() {
        let shuffled: Vec<u64> = (0..100).map(|number| (number * 37) % 100 + 1).collect();
        let rows: [(&[u64], [f64; 4]); 5] = [
            (&[], [0.0; 4]),
            (&[7], [7.0; 4]),
            (&[2, 1], [1.0, 2.0, 2.0, 2.0]),
            (&[5, 1, 4, 2, 3], [3.0, 5.0, 5.0, 5.0]),
            (&shuffled, [50.0, 90.0, 99.0, 100.0]),
        ];
        for (took, [p50_ms, p90_ms, p99_ms, max_ms]) in rows {
            let now = Instant::now();
            let samples = Samples::new(1000, now);
            took.iter().for_each(|millis| samples.add(now, ms(*millis), true));
            let expected = Latency { p50_ms, p90_ms, p99_ms, max_ms };
            assert_eq!(samples.summary(ms(1000), now).latency, expected, "{took:?}");
        }
    }

    #[test]
    fn only_the_window_counts() {
        let start = Instant::now();
        let samples = Samples::new(1000, start);
        for second in 0..20_u64 {
            samples.add(start + ms(second * 1000), ms(second), second % 4 != 3);
        }
        let now = start + ms(20_000);
        let row = |window| {
            let Summary { requests, failed, rate, latency } = samples.summary(ms(window), now);
            (requests, failed, rate, latency.p50_ms)
        };
        assert_eq!(row(0), (0, 0, 0.0, 0.0));
        assert_eq!(row(999), (0, 0, 0.0, 0.0));
        assert_eq!(row(10_000), (10, 3, 1.0, 14.0));
        assert_eq!(row(100_000), (20, 5, 1.0, 9.0), "the rate is over the 20 s that there were");
        assert_eq!(samples.summary(ms(10), start).rate, 20_000.0, "a clock that stands still gives a number");
    }

    /// BOUNDED_SAMPLES: at most so many, oldest out first; a rate over less than the window stays right.
    #[test]
    fn the_oldest_goes_first() {
        let start = Instant::now();
        let samples = Samples::new(100, start);
        for number in 0..1000_u64 {
            samples.add(start + ms(number), ms(number), false);
            assert!(samples.ring.lock().samples.len() <= 100);
        }
        let summary = samples.summary(ms(60_000), start + ms(999));
        assert_eq!((summary.requests, summary.failed), (100, 100));
        assert_eq!((summary.latency.p50_ms, summary.latency.max_ms), (949.0, 999.0));
        assert_eq!(summary.rate, 1000.0, "one each millisecond, though the window is a minute");
    }

    #[test]
    fn the_longest_time_is_bounded() {
        let now = Instant::now();
        let samples = Samples::new(2, now);
        samples.add(now, Duration::MAX, true);
        assert_eq!(samples.summary(Duration::MAX, now).latency.max_ms, f64::from(u32::MAX) / 1000.0);
    }

    proptest! {
        #[test]
        fn latency_is_that_of_sorted_times(mut micros: Vec<u32>) {
            let mut sorted = micros.clone();
            sorted.sort_unstable();
            let at = |percent: usize| {
                let index = (sorted.len() * percent).div_ceil(100).checked_sub(1);
                index.map_or(0.0, |index| f64::from(sorted[index]) / 1000.0)
            };
            let expected = Latency { p50_ms: at(50), p90_ms: at(90), p99_ms: at(99), max_ms: at(100) };
            prop_assert_eq!(latency(&mut micros), expected);
        }
    }
}
