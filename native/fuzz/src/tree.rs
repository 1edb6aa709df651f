//! A JSON value as a tree that keeps every key, duplicates included.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use spindle_protocol::limits::{ARRAY_ITEMS, JSON_DEPTH, OBJECT_KEYS, STRING_BYTES};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Null, a boolean or a number; numbers are kept as doubles.
    Leaf(Option<f64>),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object, its entries in order.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Whether the written rules of `spindle_protocol::json` hold for a value inside `depth` others.
    pub fn is_lawful(&self, depth: usize) -> bool {
        let text = |text: &str| text.len() <= STRING_BYTES && !text.contains('\0');
        match self {
            Tree::Leaf(_) => true,
            Tree::Text(it) => text(it),
            Tree::Array(items) => {
                depth < JSON_DEPTH && items.len() <= ARRAY_ITEMS && items.iter().all(|item| item.is_lawful(depth + 1))
            }
            Tree::Object(entries) => {
                depth < JSON_DEPTH
                    && entries.len() <= OBJECT_KEYS
                    && self.keys().len() == entries.len()
                    && entries.iter().all(|(key, value)| text(key) && value.is_lawful(depth + 1))
            }
        }
    }

    /// The distinct keys of an object; none of anything else.
    pub fn keys(&self) -> HashSet<&str> {
        self.entries().iter().map(|(key, _)| key.as_str()).collect()
    }

    /// The entries of an object; none of anything else.
    pub fn entries(&self) -> &[(String, Tree)] {
        if let Tree::Object(entries) = self { entries } else { &[] }
    }

    /// The last entry under this key, as most readers have it.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries().iter().rfind(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// Whether two values are the same, with room for the last digit of a number: without its feature
    /// `float_roundtrip` serde_json reads one double in ten as a neighbour.
    pub fn is_like(&self, other: &Tree) -> bool {
        match (self, other) {
            (Tree::Leaf(Some(a)), Tree::Leaf(Some(b))) => (a - b).abs() <= a.abs() * 1e-14,
            (Tree::Array(a), Tree::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_like(b)),
            (Tree::Object(a), Tree::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((ka, a), (kb, b))| ka == kb && a.is_like(b))
            }
            _ => self == other,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf(None))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(Some(f64::from(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Some(value as f64)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Some(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(Some(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}
