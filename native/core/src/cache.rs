//! The last answers of read-only methods, for requests that would rather have an old answer than wait. No handler of
//! Blender's sees every change, so an answer goes out only where the request says how old it may be, and says itself
//! how old it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::RegexBuilder;
use serde_json::value::RawValue;
use spindle_protocol::envelope::Cached;
use spindle_protocol::error::{Kind, WireError};

use crate::keys::CacheKey;
use crate::limits::Limits;

/// A compiled pattern takes at most this many bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// An answer to keep.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result.
    pub json: Box<RawValue>,
    /// What blob references in it point into.
    pub blob: Vec<u8>,
    /// The scene's generation when it was given.
    pub generation: u64,
}

impl Answer {
    fn bytes(&self) -> usize {
        self.json.get().len() + self.blob.len()
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Answers.
    pub entries: usize,
    /// Bytes of all answers and their keys.
    pub bytes: usize,
    /// How long an answer is kept.
    pub ttl: Duration,
}

impl From<&Limits> for CacheLimits {
    fn from(limits: &Limits) -> CacheLimits {
        let (entries, bytes) = (limits.max_cached as usize, limits.max_cache_mib as usize * 1024 * 1024);
        CacheLimits { entries, bytes, ttl: limits.cache_ttl() }
    }
}

struct Kept {
    answer: Answer,
    since: Instant,
    number: u64,
}

/// The kept answers. The oldest goes first.
pub struct Cache {
    limits: CacheLimits,
    kept: HashMap<CacheKey, Kept>,
    by_age: BTreeMap<u64, CacheKey>,
    bytes: usize,
    next: u64,
}

impl Cache {
    /// An empty cache.
    pub fn new(limits: CacheLimits) -> Cache {
        Cache { limits, kept: HashMap::new(), by_age: BTreeMap::new(), bytes: 0, next: 0 }
    }

    /// Keep an answer in the place of an older one. One that is too large by itself is not kept.
    pub fn keep(&mut self, key: CacheKey, answer: Answer, now: Instant) {
        self.remove(&key);
        let bytes = key.len() + answer.bytes();
        if bytes > self.limits.bytes || self.limits.entries == 0 {
            return;
        }
        while self.bytes + bytes > self.limits.bytes || self.kept.len() >= self.limits.entries {
            self.remove_oldest();
        }
        self.bytes += bytes;
        self.by_age.insert(self.next, Arc::clone(&key));
        self.kept.insert(key, Kept { answer, since: now, number: self.next });
        self.next += 1;
    }

    /// A kept answer of at most this age, and what is known of it in this generation of the scene.
    pub fn get(&self, key: &str, max_age: Duration, generation: u64, now: Instant) -> Option<(&Answer, Cached)> {
        let Kept { answer, since, .. } = self.kept.get(key)?;
        let age = now.saturating_duration_since(*since);
        let cached = Cached { age_ms: age.as_millis() as u64, moved: answer.generation != generation };
        (age <= max_age.min(self.limits.ttl)).then_some((answer, cached))
    }

    /// Forget what is older than its time to live.
    pub fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.by_age.first_key_value() {
            if now.saturating_duration_since(self.kept[key].since) <= self.limits.ttl {
                return;
            }
            self.remove_oldest();
        }
    }

    /// Forget everything; returns how many answers that were.
    pub fn clear(&mut self) -> usize {
        self.clear_where(|_| true)
    }

    /// Forget what contains this text, which is no pattern whatever it looks like (BUG-002).
    pub fn clear_containing(&mut self, text: &str) -> usize {
        self.clear_where(|key| key.contains(text))
    }

    /// Forget what matches this regular expression.
    ///
    /// # Errors
    /// `invalid_params` when it is none, or too large once compiled.
    pub fn clear_matching(&mut self, pattern: &str) -> Result<usize, WireError> {
        let pattern = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build().map_err(|error| {
            WireError::new(Kind::InvalidParams, format!("params.pattern: {error}")).with("path", "params.pattern")
        })?;
        Ok(self.clear_where(|key| pattern.is_match(key)))
    }

    /// How many answers are kept, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }

    fn clear_where(&mut self, fits: impl Fn(&str) -> bool) -> usize {
        let keys: Vec<CacheKey> = self.kept.keys().filter(|key| fits(key)).cloned().collect();
        for key in &keys {
            self.remove(key);
        }
        keys.len()
    }

    fn remove_oldest(&mut self) {
        if let Some(key) = self.by_age.first_key_value().map(|(_, key)| Arc::clone(key)) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(Kept { answer, number, .. }) = self.kept.remove(key) {
            self.by_age.remove(&number);
            self.bytes -= key.len() + answer.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CacheLimits = CacheLimits { entries: 3, bytes: 100, ttl: Duration::from_secs(60) };

    fn answer(text: &str, generation: u64) -> Answer {
        Answer { json: RawValue::from_string(text.to_owned()).expect("JSON"), blob: Vec::new(), generation }
    }

    fn filled(keys: &[&str], now: Instant) -> Cache {
        let mut cache = Cache::new(LIMITS);
        for key in keys {
            cache.keep(Arc::from(*key), answer("{}", 1), now);
        }
        cache
    }

    #[test]
    fn an_answer_says_how_old_it_is_and_whether_the_scene_has_moved() {
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        let cache = filled(&["scene.get {}"], start);
        let age = |max_ms, generation, at| {
            cache.get("scene.get {}", Duration::from_millis(max_ms), generation, later(at)).map(|(_, cached)| cached)
        };
        assert_eq!(age(100, 1, 40), Some(Cached { age_ms: 40, moved: false }));
        assert_eq!(age(100, 2, 100), Some(Cached { age_ms: 100, moved: true }));
        assert_eq!(age(100, 1, 101), None);
        assert_eq!(age(u64::MAX, 1, 60_001), None, "no request can outlive the time to live (BUG-006)");
        assert!(cache.get("scene.get {\"a\":1}", Duration::MAX, 1, start).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let start = Instant::now();
        let mut cache = filled(&["a", "b", "c", "d"], start);
        assert!(cache.get("a", Duration::MAX, 1, start).is_none(), "the oldest has gone");
        assert_eq!(cache.size(), (3, 9));
        cache.keep(Arc::from("big"), answer(&format!("[{}]", "1,".repeat(39) + "1"), 1), start);
        assert_eq!(cache.size().0, 3, "the next oldest made room: {:?}", cache.size());
        cache.keep(Arc::from("d"), answer(&format!("\"{}\"", "x".repeat(200)), 1), start);
        assert!(cache.get("d", Duration::MAX, 1, start).is_none(), "too large; and the old answer is not told as new");
        cache.expire(start + Duration::from_secs(61));
        assert_eq!(cache.size(), (0, 0));
    }

    /// BUG-002: a text is taken literally; a pattern is another call.
    #[test]
    fn clearing_is_literal_unless_a_pattern_is_asked_for() {
        let keys = ["object.get {\"name\":\"a.c\"}", "object.get {\"name\":\"abc\"}", "scene.get {}"];
        let now = Instant::now();
        let left = |clear: fn(&mut Cache) -> usize| {
            let mut cache = Cache::new(CacheLimits { bytes: 1000, ..LIMITS });
            keys.iter().for_each(|key| cache.keep(Arc::from(*key), answer("{}", 1), now));
            (clear(&mut cache), cache.size().0)
        };
        assert_eq!(left(|cache| cache.clear_containing("a.c")), (1, 2));
        assert_eq!(left(|cache| cache.clear_containing(".*")), (0, 3));
        assert_eq!(left(|cache| cache.clear_matching("a.c").expect("a pattern")), (2, 1));
        assert_eq!(left(Cache::clear), (3, 0));
        let mut cache = Cache::new(LIMITS);
        for bad in ["(", r"(?:\pL{100}){100}"] {
            assert_eq!(cache.clear_matching(bad).expect_err(bad).data.kind, Kind::InvalidParams);
        }
    }
}
