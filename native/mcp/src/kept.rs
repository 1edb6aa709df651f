//! Long texts, of which a model gets page by page, and the last pictures, by their URI.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;

/// Texts that are kept: a model reads on at once or never.
const TEXTS: usize = 16;

/// Pictures that are kept, in their full size.
const PICTURES: usize = 4;

/// What outlives a call. Shared by all programs of this process, which share a user, too.
#[derive(Default)]
pub struct Kept {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    texts: VecDeque<(u64, Arc<str>)>,
    pictures: VecDeque<(u64, Arc<[u8]>)>,
}

/// Part of a text, and where the next part begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The part.
    pub text: String,
    /// What to pass to get the next; `None` on the last.
    pub next_cursor: Option<String>,
}

impl Kept {
    /// The first part of a text, which takes at most so many characters as JSON; of a longer one the rest is kept.
    pub fn begin(&self, text: String, most: usize) -> Page {
        if fitting(&text, most) == text.len() {
            return Page { text, next_cursor: None };
        }
        let text: Arc<str> = text.into();
        let number = self.keep(|inner, number| {
            inner.texts.push_back((number, Arc::clone(&text)));
            inner.texts.len() > TEXTS && inner.texts.pop_front().is_some()
        });
        page(&text, number, 0, most)
    }

    /// The part at a cursor.
    ///
    /// # Errors
    /// [`Failure::Cursor`] for one that was not given, or too long ago.
    pub fn go_on(&self, cursor: &str, most: usize) -> Result<Page, Failure> {
        let unknown = || Failure::Cursor(cursor.chars().take(100).collect());
        let (number, at) = cursor.strip_prefix("text-").and_then(|rest| rest.split_once('-')).ok_or_else(unknown)?;
        let (number, at) = (number.parse().map_err(|_| unknown())?, at.parse().map_err(|_| unknown())?);
        let text = self.lock().texts.iter().find(|kept| kept.0 == number).map(|kept| Arc::clone(&kept.1));
        let text = text.filter(|text| at < text.len() && text.is_char_boundary(at)).ok_or_else(unknown)?;
        Ok(page(&text, number, at, most))
    }

    /// Keep a picture; its number.
    pub fn picture(&self, png: &[u8]) -> u64 {
        self.keep(|inner, number| {
            inner.pictures.push_back((number, png.into()));
            inner.pictures.len() > PICTURES && inner.pictures.pop_front().is_some()
        })
    }

    /// A picture of this number, or the last one; with its number.
    pub fn find_picture(&self, number: Option<u64>) -> Option<(u64, Arc<[u8]>)> {
        let inner = self.lock();
        let mut newest_first = inner.pictures.iter().rev();
        newest_first.find(|kept| number.is_none_or(|number| kept.0 == number)).cloned()
    }

    fn keep(&self, put: impl FnOnce(&mut Inner, u64) -> bool) -> u64 {
        let mut inner = self.lock();
        inner.last += 1;
        let number = inner.last;
        put(&mut inner, number);
        number
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page(text: &str, number: u64, at: usize, most: usize) -> Page {
    let rest = &text[at..];
    let limit = fitting(rest, most);
    if limit == rest.len() {
        return Page { text: rest.to_owned(), next_cursor: None };
    }
    // A line is not broken, unless it is longer than a whole page.
    let end = rest[..limit].rfind('\n').map_or(limit, |newline| newline + 1);
    Page { text: rest[..end].to_owned(), next_cursor: Some(format!("text-{number}-{}", at + end)) }
}

/// How many bytes of a text take at most so many characters as JSON; at least one character.
fn fitting(text: &str, most: usize) -> usize {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += escaped(letter);
        if taken > most && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Characters that one takes in a JSON string (RFC 8259, section 7), as serde_json writes it.
const fn escaped(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_text() {
        let kept = Kept::default();
        for text in
            ["short".to_owned(), "line of text\n".repeat(300), "ü".repeat(2500), "a\n".repeat(3) + &"b".repeat(250)]
        {
            let mut page = kept.begin(text.clone(), 100);
            let mut read = page.text.clone();
            while let Some(cursor) = page.next_cursor {
                page = kept.go_on(&cursor, 100).expect("it is kept");
                assert!(serde_json::to_string(&page.text).expect("JSON").chars().count() <= 102);
                read += &page.text;
            }
            assert_eq!(read, text);
        }
    }

    #[test]
    fn what_is_not_kept_is_an_error() {
        let kept = Kept::default();
        let cursor = kept.begin("x".repeat(30), 10).next_cursor.expect("there is more");
        for wrong in ["", "text-1", "text-1-x", "text-9-0", "text-1-999", "text-1-18446744073709551616"] {
            assert!(matches!(kept.go_on(wrong, 10), Err(Failure::Cursor(_))), "{wrong}");
        }
        for _ in 0..TEXTS {
            kept.begin("y".repeat(30), 10);
        }
        assert!(kept.go_on(&cursor, 10).is_err(), "it was the oldest");
    }

    #[test]
    fn pictures_are_bounded() {
        let kept = Kept::default();
        let numbers: Vec<u64> = (0..PICTURES as u8 + 1).map(|number| kept.picture(&[number])).collect();
        assert_eq!(kept.find_picture(None).map(|found| found.1.to_vec()), Some(vec![PICTURES as u8]));
        assert!(kept.find_picture(Some(numbers[0])).is_none() && kept.find_picture(Some(numbers[1])).is_some());
    }
}
