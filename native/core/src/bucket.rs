//! A token bucket: so much per minute, of which a minute's worth may be taken at once (BUG-004).
//!
//! All arithmetic is in whole numbers. A token is counted in [`MINUTE`] parts, so that each nanosecond
//! adds a whole number of parts, whatever the amount.

use std::time::{Duration, Instant};

/// Nanoseconds in a minute, and parts of a token.
const MINUTE: i128 = 60_000_000_000;

/// What may be taken, at most so much per minute.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Tokens per minute, and the most that it holds.
    amount: u64,
    /// What it holds, in parts of a token; below zero it is in debt, by one full bucket at most.
    level: i128,
    /// When that was so.
    seen: Instant,
}

impl Bucket {
    /// A full bucket of `amount` tokens, one at least.
    pub fn per_minute(amount: u64, now: Instant) -> Bucket {
        let amount = amount.max(1);
        Bucket { amount, level: i128::from(amount) * MINUTE, seen: now }
    }

    /// How long until `cost` tokens can be taken; zero when they can be now. A cost above a full
    /// bucket counts as a full one, here and everywhere: nothing has to wait for ever.
    pub fn wait(&mut self, cost: u64, now: Instant) -> Duration {
        self.fill(now);
        let missing = self.parts(cost) - self.level;
        let nanos = missing.max(0).unsigned_abs().div_ceil(u128::from(self.amount));
        Duration::from_nanos(u64::try_from(nanos).expect("two full buckets are two minutes"))
    }

    /// Take `cost` tokens.
    ///
    /// # Errors
    /// The time until they can be taken; nothing is taken.
    pub fn take(&mut self, cost: u64, now: Instant) -> Result<(), Duration> {
        match self.wait(cost, now) {
            Duration::ZERO => {
                self.level -= self.parts(cost);
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Take `cost` tokens in any case. What is not there becomes debt, which must be repaid before
    /// anything can be taken.
    pub fn charge(&mut self, cost: u64, now: Instant) {
        self.fill(now);
        self.level = (self.level - self.parts(cost)).max(-self.full());
    }

    /// Add what has come in since. A clock that goes backwards adds nothing, and starts anew from
    /// where it is: were its highest value kept, it could be locked out until the clock is there again.
    fn fill(&mut self, now: Instant) {
        let nanos = now.saturating_duration_since(self.seen).as_nanos();
        // More than two minutes make no difference, and would overflow after 300 years.
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX).min(2 * MINUTE);
        self.level = (self.level + nanos * i128::from(self.amount)).min(self.full());
        self.seen = now;
    }

    fn full(&self) -> i128 {
        i128::from(self.amount) * MINUTE
    }

    fn parts(&self, cost: u64) -> i128 {
        i128::from(cost.min(self.amount)) * MINUTE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEARS: u64 = 300 * 366 * 86_400;

    /// The same by plain means: fractions of tokens as 64-bit floats, the time as seconds.
    struct Reference {
        amount: f64,
        level: f64,
        seen: f64,
    }

    impl Reference {
        fn fill(&mut self, now: f64) {
            self.level = self.amount.min(self.level + (now - self.seen).max(0.0) * self.amount / 60.0);
            self.seen = now;
        }

        fn holds(&mut self, cost: u64, now: f64) -> f64 {
            self.fill(now);
            self.level - self.amount.min(cost as f64)
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Pass(u64),
        Back(u64),
        Take(u64),
        Charge(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let millis = prop_oneof![Just(0), 0..2_000_u64, 0..200_000_u64, Just(YEARS * 1000)];
        let step = prop_oneof![
            4 => millis.clone().prop_map(Step::Pass),
            1 => (0..200_000_u64).prop_map(Step::Back),
            6 => (0..1_500_u64).prop_map(Step::Take),
            2 => (0..1_500_u64).prop_map(Step::Charge),
        ];
        prop::collection::vec(step, 1..80)
    }

    proptest! {
        /// BUG-004: against the reference, whatever the clock does. What is refused names the time from
        /// which on it succeeds, and not a moment earlier.
        #[test]
        fn as_the_reference(amount in 1..1_000_u64, steps in steps()) {
            let start = Instant::now() + Duration::from_secs(1_000_000);
            let mut millis = 0_i64;
            let mut bucket = Bucket::per_minute(amount, start);
            let mut reference = Reference { amount: amount as f64, level: amount as f64, seen: 0.0 };
            for step in steps {
                let offset = Duration::from_millis(millis.unsigned_abs());
                let now = if millis < 0 { start - offset } else { start + offset };
                match step {
                    Step::Pass(more) => millis = (millis + more as i64).min((YEARS * 2_000) as i64),
                    Step::Back(less) => millis = (millis - less as i64).max(-900_000_000),
                    Step::Charge(cost) => {
                        bucket.charge(cost, now);
                        let left = reference.holds(cost, millis as f64 / 1e3);
                        reference.level = left.max(-reference.amount);
                    }
                    Step::Take(cost) => {
                        let left = reference.holds(cost, millis as f64 / 1e3);
                        let taken = bucket.take(cost, now);
                        prop_assert!(left.abs() < 1e-4 || taken.is_ok() == (left > 0.0), "{taken:?}, {left} left");
                        match taken {
                            Ok(()) => reference.level = left,
                            Err(wait) => {
                                prop_assert!(wait <= Duration::from_secs(120), "{wait:?}");
                                prop_assert!((wait.as_secs_f64() + left * 60.0 / amount as f64).abs() < 1e-2);
                                let at = now + wait;
                                bucket.clone().take(cost, at - Duration::from_nanos(1)).expect_err("too early");
                                bucket.clone().take(cost, at).expect("after the time that was told");
                            }
                        }
                    }
                }
            }
        }

        /// BUG-004: whatever is taken in however small steps, no more passes than one full bucket and
        /// what the time brings.
        #[test]
        fn nothing_is_free(amount in 1..u64::MAX, gaps in prop::collection::vec(0..5_000_u64, 1..200), cost: u64) {
            let start = Instant::now();
            let (mut now, mut bucket) = (start, Bucket::per_minute(amount, start));
            let cost = cost.clamp(1, amount);
            let mut passed = 0_u128;
            for gap in gaps {
                now += Duration::from_millis(gap);
                if bucket.take(cost, now).is_ok() {
                    passed += u128::from(cost);
                }
            }
            let brought = u128::from(amount) * (now - start).as_millis() / 60_000;
            prop_assert!(passed <= u128::from(amount) + brought + 1);
        }

        /// BUG-004: no amount, cost or time overflows.
        #[test]
        fn any_numbers(amount: u64, costs: Vec<u64>, seconds in 0..YEARS) {
            let start = Instant::now();
            let mut bucket = Bucket::per_minute(amount, start);
            for cost in costs {
                bucket.charge(cost, start);
                bucket.take(u64::MAX, start + Duration::from_secs(seconds)).ok();
            }
            bucket.charge(u64::MAX, start);
            bucket.charge(u64::MAX, start);
            let wait = bucket.take(u64::MAX, start).expect_err("it is in debt");
            prop_assert!(wait <= Duration::from_secs(120));
            bucket.take(u64::MAX, start + wait).expect("all is repaid");
        }
    }

    /// BUG-004: a clock that stands still, jumps, goes backwards, or runs for 300 years.
    #[test]
    fn odd_clocks() {
        let start = Instant::now() + Duration::from_secs(YEARS);
        let full = |bucket: &Bucket, now| {
            let mut bucket = bucket.clone();
            bucket.take(60, now).is_ok() && bucket.take(1, now) == Err(Duration::from_secs(1))
        };
        let mut bucket = Bucket::per_minute(60, start);
        for _ in 0..60 {
            bucket.take(1, start).expect("a full bucket");
        }
        for _ in 0..1_000 {
            assert_eq!(bucket.take(1, start), Err(Duration::from_secs(1)), "it stands still");
        }
        let back = start - Duration::from_secs(YEARS);
        assert_eq!(bucket.take(1, back), Err(Duration::from_secs(1)), "a jump backwards brings nothing");
        bucket.take(1, back + Duration::from_secs(1)).expect("and locks nobody out");
        for later in [61, 3_600, 2 * YEARS] {
            assert!(full(&bucket, back + Duration::from_secs(later)), "a jump of {later} s brings one full bucket");
        }
        assert!(full(&Bucket::per_minute(60, start), start + Duration::from_secs(YEARS)));
    }

    /// BUG-004: the default never limits an honest fast client: 16,000 requests a second for three minutes.
    #[test]
    fn an_honest_fast_client() {
        let start = Instant::now();
        let amount = u64::from(crate::limits::Limits::default().requests_per_minute);
        let mut bucket = Bucket::per_minute(amount, start);
        for number in 0..16_000 * 180 {
            bucket.take(1, start + Duration::from_nanos(number * 62_500)).expect("not limited");
        }
    }
}
