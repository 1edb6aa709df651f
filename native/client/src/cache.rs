//! Answers that a caller asked to keep for a while, within bounds. They are of one server: when another one is in its
//! place, or this client has changed something, all are forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::connection::Reply;
use crate::settings::Choices;

struct Kept {
    reply: Reply,
    until: Instant,
    number: u64,
}

#[derive(Default)]
struct Shelf {
    kept: HashMap<Arc<str>, Kept>,
    by_age: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    last_number: u64,
    /// Grows with each clearing, so that an answer from before is not kept after it.
    era: u64,
}

/// The kept answers of one client. The oldest goes first.
pub(crate) struct Cache {
    shelf: Mutex<Shelf>,
    entries: usize,
    bytes: usize,
    ttls: [Duration; 2],
}

/// A method and its parameters, as they are looked up: `object.get {"name":"Cube"}`.
pub(crate) fn key(method: &str, params: &RawValue) -> Arc<str> {
    format!("{method} {}", params.get()).into()
}

impl Cache {
    /// An empty cache.
    pub fn new(choices: &Choices) -> Cache {
        Cache {
            shelf: Mutex::default(),
            entries: choices.cache_entries as usize,
            bytes: choices.cache_mib as usize * 1024 * 1024,
            ttls: [choices.cache_ttl_least_s, choices.cache_ttl_most_s],
        }
    }

    /// A time to live within the two settings, and whether it had to be cut (BUG-006).
    pub fn ttl(&self, asked: Duration) -> (Duration, bool) {
        let [least, most] = self.ttls;
        (asked.clamp(least, most), asked > most)
    }

    /// What is asked of the server from now on belongs to this era.
    pub fn era(&self) -> u64 {
        self.lock().era
    }

    /// A kept answer that still lives.
    pub fn get(&self, key: &str, now: Instant) -> Option<Reply> {
        let mut shelf = self.lock();
        match shelf.kept.get(key) {
            Some(kept) if now < kept.until => Some(kept.reply.clone()),
            Some(_) => {
                shelf.remove(key);
                None
            }
            None => None,
        }
    }

    /// Keep an answer in the place of an older one, unless everything was forgotten since `era`. One that is too large
    /// by itself is not kept.
    pub fn keep(&self, key: Arc<str>, reply: &Reply, until: Instant, era: u64) {
        let bytes = size(&key, reply);
        let mut shelf = self.lock();
        if bytes > self.bytes || self.entries == 0 || era != shelf.era {
            return;
        }
        shelf.remove(&key);
        while shelf.bytes + bytes > self.bytes || shelf.kept.len() >= self.entries {
            shelf.remove_oldest();
        }
        shelf.last_number += 1;
        let number = shelf.last_number;
        shelf.bytes += bytes;
        shelf.by_age.insert(number, Arc::clone(&key));
        shelf.kept.insert(key, Kept { reply: reply.clone(), until, number });
    }

    /// Forget everything, also what is on its way; how many answers that were.
    pub fn clear(&self) -> usize {
        self.forget_where(|_| true)
    }

    /// Forget the answers whose key fits, also those on their way; how many there were.
    pub fn forget_where(&self, fits: impl Fn(&str) -> bool) -> usize {
        let mut shelf = self.lock();
        shelf.era += 1;
        let keys: Vec<Arc<str>> = shelf.kept.keys().filter(|key| fits(key)).cloned().collect();
        for key in &keys {
            shelf.remove(key);
        }
        keys.len()
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.lock().kept.len()
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        // Only a caller's `fits` can panic here, and it changes nothing.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn remove_oldest(&mut self) {
        if let Some(key) = self.by_age.first_key_value().map(|(_, key)| Arc::clone(key)) {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(Kept { reply, number, .. }) = self.kept.remove(key) {
            self.by_age.remove(&number);
            self.bytes -= size(key, &reply);
        }
    }
}

fn size(key: &str, reply: &Reply) -> usize {
    key.len() + reply.result.get().len() + reply.blob.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(blob: usize) -> Reply {
        let result = RawValue::from_string("{}".to_owned()).expect("JSON");
        Reply { result, blob: vec![0; blob], cached: None }
    }

    fn cache(entries: u32) -> Cache {
        Cache::new(&Choices { cache_entries: entries, cache_mib: 1, ..Choices::default() })
    }

    fn put(cache: &Cache, key: &str, blob: usize) {
        cache.keep(key.into(), &reply(blob), Instant::now() + Duration::from_secs(60), cache.era());
    }

    /// BUG-006: a time to live is from 1 s to 1 day, and no sum overflows.
    #[test]
    fn times_to_live() {
        let cache = cache(1);
        let seconds = |asked| (cache.ttl(asked).0.as_secs(), cache.ttl(asked).1);
        assert_eq!(seconds(Duration::ZERO), (1, false));
        assert_eq!(seconds(Duration::from_secs(86_400)), (86_400, false));
        assert_eq!(seconds(Duration::MAX), (86_400, true));
        assert!(Instant::now().checked_add(cache.ttl(Duration::MAX).0).is_some());
        let now = Instant::now();
        cache.keep("k".into(), &reply(0), now + Duration::from_secs(1), cache.era());
        assert!(cache.get("k", now + Duration::from_millis(999)).is_some());
        assert!(cache.get("k", now + Duration::from_secs(1)).is_none());
        assert_eq!(cache.len(), 0);
    }

    /// BUG-002: a text is taken literally, whatever it looks like.
    #[test]
    fn texts_are_no_patterns() {
        let cache = cache(10);
        for key in ["scene.get {}", r#"object.get {"name":"A.*"}"#, r#"object.get {"name":"AB"}"#] {
            put(&cache, key, 0);
        }
        assert_eq!(cache.forget_where(|key| key.contains(".*")), 1);
        assert!(cache.get(r#"object.get {"name":"AB"}"#, Instant::now()).is_some());
        assert_eq!(cache.clear(), 2);
    }

    #[test]
    fn it_is_bounded() {
        let cache = cache(2);
        for key in ["a", "b", "c"] {
            put(&cache, key, 0);
        }
        assert!(cache.get("a", Instant::now()).is_none() && cache.len() == 2);
        put(&cache, "large", 1 << 20);
        assert_eq!(cache.len(), 2, "too large by itself");
        put(&cache, "half", 600_000);
        put(&cache, "half again", 600_000);
        assert_eq!(cache.len(), 1);
        let none = self::cache(0);
        put(&none, "a", 0);
        assert_eq!(none.len(), 0);
    }

    #[test]
    fn what_was_asked_before_a_clearing_is_not_kept_after_it() {
        let cache = cache(2);
        let era = cache.era();
        cache.clear();
        cache.keep("a".into(), &reply(0), Instant::now() + Duration::from_secs(60), era);
        assert_eq!(cache.len(), 0);
    }
}
