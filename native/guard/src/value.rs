//! What an expression may stand for: as much of it as the policy needs.

use std::rc::Rc;

use crate::paths::PathId;

/// Alternatives that are told apart; more of them are anything.
const ALTERNATIVES: usize = 16;

/// Parts of one value, all levels counted: containers inside each other could double at each step.
const PARTS: usize = 600;

/// Bytes of text that count as one part.
const TEXT_PART: usize = 64;

/// Parts that know how many they are in all.
#[derive(Clone, Debug)]
pub struct Parts<T> {
    all: Rc<[T]>,
    size: usize,
    /// Whether there were more.
    cut: bool,
}

impl<T> std::ops::Deref for Parts<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.all
    }
}

impl<T: PartialEq> PartialEq for Parts<T> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.all, &other.all) || (self.size == other.size && self.all == other.all)
    }
}

/// Text that is known.
#[derive(Clone, Debug)]
pub enum Text<'a> {
    /// As it stands in the script.
    Literal(&'a str),
    /// Folded from others.
    Made(Rc<str>),
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Literal(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const **self, &raw const **other) || **self == **other
    }
}

/// What an expression may stand for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing has been assigned yet.
    Nothing,
    /// Anything at all.
    Unknown,
    /// Numbers, text, Blender's data: what leads nowhere by its public names.
    Data,
    /// Text that was put together from single characters or decoded: nobody writes a name that way without a reason.
    Decoded,
    /// The name of a property, as Blender itself tells it.
    Identifier,
    /// Text of which only the beginning and the end are known.
    Pattern(Rc<(String, String)>),
    /// Known text.
    Text(Text<'a>),
    /// Known bytes.
    Bytes(Rc<[u8]>),
    /// A known whole number.
    Int(i64),
    /// A list, tuple or set of known length.
    List(Parts<Value<'a>>),
    /// A dictionary with known keys.
    Dict(Parts<(Value<'a>, Value<'a>)>),
    /// What a module or a built-in name leads to.
    Thing(PathId),
    /// A function of the script, by its scope.
    Function(usize),
    /// A class of the script, by its scope.
    Class(usize),
    /// An object of such a class.
    Instance(usize),
    /// What `globals()` and its like return, for a scope.
    Namespace(usize),
    /// An exception that was caught.
    Caught,
    /// A method of known text, list or dictionary.
    Method(Rc<(Value<'a>, Rc<str>)>),
    /// What operator.attrgetter and its like return, with the known names.
    Getter(Rc<[Value<'a>]>),
    /// One of these.
    Any(Parts<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Text that was folded.
    pub fn made(text: impl AsRef<str>) -> Self {
        Value::Text(Text::Made(text.as_ref().into()))
    }

    /// Every alternative.
    pub fn each(&self) -> &[Value<'a>] {
        match self {
            Value::Any(values) => values,
            value => std::slice::from_ref(value),
        }
    }

    /// Whether something that cannot be followed may stand behind it.
    pub fn is_open(&self) -> bool {
        self.each().iter().any(|value| matches!(value, Value::Unknown | Value::Nothing | Value::Data))
    }

    /// A list of these, or what they lead to where they are too many.
    pub fn list(values: Vec<Value<'a>>) -> Self {
        let size = 1 + values.iter().map(Value::size).sum::<usize>();
        if size > PARTS {
            return Self::leaves(&values);
        }
        Value::List(Parts { all: values.into(), size, cut: false })
    }

    /// A dictionary of these, or what they lead to where they are too many.
    pub fn dict(items: Vec<(Value<'a>, Value<'a>)>) -> Self {
        let size = 1 + items.iter().map(|(key, value)| key.size() + value.size()).sum::<usize>();
        if size > PARTS {
            return Self::leaves(&items.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        }
        Value::Dict(Parts { all: items.into(), size, cut: false })
    }

    /// How many parts it is made of, which is at most 600 unless it is one long text. Whatever is done with a value
    /// takes time in proportion.
    pub fn size(&self) -> usize {
        match self {
            Value::List(parts) | Value::Any(parts) => parts.size,
            Value::Dict(parts) => parts.size,
            Value::Text(text) => 1 + text.len() / TEXT_PART,
            Value::Bytes(bytes) => 1 + bytes.len() / TEXT_PART,
            Value::Getter(names) => 1 + names.iter().map(Value::size).sum::<usize>(),
            Value::Method(method) => 1 + method.0.size(),
            _ => 1,
        }
    }

    /// This or the other. What is there already comes first and stays, so that joining ends.
    pub fn or(self, other: Value<'a>) -> Value<'a> {
        match (self, other) {
            (Value::Nothing, value) | (value, Value::Nothing) => value,
            (one, other) => {
                let cut = one.is_cut() || other.is_cut();
                let known = one.each();
                let is_new = |value: &&Value<'a>| (!cut || value.is_kept()) && !known.contains(value);
                let mut fresh = other.each().iter().filter(is_new).cloned().peekable();
                if fresh.peek().is_none() && one.is_cut() == cut {
                    return one;
                }
                let all: Vec<Value<'a>> = known.iter().cloned().chain(fresh).collect();
                if cut { Self::cut(&all) } else { Self::one_of(all) }
            }
        }
    }

    /// One of these, which are different. Too many of them are cut to those that lead somewhere.
    fn one_of(mut all: Vec<Value<'a>>) -> Value<'a> {
        let size = all.iter().map(Value::size).sum();
        match all.len() {
            1 => all.remove(0),
            2..=ALTERNATIVES if size <= PARTS => Value::Any(Parts { all: all.into(), size, cut: false }),
            _ => Self::cut(&all),
        }
    }

    /// The same with nothing in it that could grow: anything, and what these lead to.
    pub fn leaves(values: &[Value<'a>]) -> Value<'a> {
        Self::cut(values)
    }

    fn cut(values: &[Value<'a>]) -> Value<'a> {
        let mut kept = vec![Value::Unknown];
        values.iter().for_each(|value| value.collect_leaves(&mut kept));
        let size = kept.len();
        Value::Any(Parts { all: kept.into(), size, cut: true })
    }

    fn collect_leaves(&self, kept: &mut Vec<Value<'a>>) {
        match self {
            Value::List(values) | Value::Any(values) => values.iter().for_each(|one| one.collect_leaves(kept)),
            Value::Dict(items) => items.iter().for_each(|(_, one)| one.collect_leaves(kept)),
            Value::Method(method) => method.0.collect_leaves(kept),
            leaf => {
                let room = kept.len() < ALTERNATIVES || matches!(leaf, Value::Thing(path) if path.is_followed());
                if room && leaf.is_kept() && !kept.contains(leaf) {
                    kept.push(leaf.clone());
                }
            }
        }
    }

    /// Whether it is a leaf that is remembered where alternatives are too many.
    fn is_kept(&self) -> bool {
        matches!(
            self,
            Value::Thing(_)
                | Value::Function(_)
                | Value::Class(_)
                | Value::Namespace(_)
                | Value::Decoded
                | Value::Caught
        )
    }

    fn is_cut(&self) -> bool {
        matches!(self, Value::Any(parts) if parts.cut)
    }

    /// Whether it leads to code: what containers and attributes are remembered for.
    pub fn is_live(&self) -> bool {
        match self {
            Value::Thing(_) | Value::Function(_) | Value::Class(_) | Value::Namespace(_) | Value::Getter(_) => true,
            Value::Any(values) | Value::List(values) => values.iter().any(Value::is_live),
            Value::Dict(items) => items.iter().any(|(_, value)| value.is_live()),
            Value::Method(method) => method.0.is_live(),
            _ => false,
        }
    }

    /// What a loop over it meets.
    pub fn element(&self) -> Value<'a> {
        let mut met = Value::Nothing;
        for value in self.each() {
            met = met.or(match value {
                Value::List(values) => values.iter().fold(Value::Nothing, |met, value| met.or(value.clone())),
                Value::Dict(items) => items.iter().fold(Value::Nothing, |met, (key, _)| met.or(key.clone())),
                Value::Text(text) if text.chars().count() <= ALTERNATIVES => {
                    text.chars().fold(Value::Nothing, |met, one| met.or(Value::made(one.to_string())))
                }
                Value::Text(_) | Value::Decoded | Value::Pattern(_) => Value::Decoded,
                Value::Bytes(_) | Value::Int(_) | Value::Identifier => Value::Data,
                Value::Nothing => Value::Nothing,
                Value::Data | Value::Instance(_) => Value::Data,
                Value::Caught => Value::Caught,
                Value::Namespace(_) => Value::Data,
                _ => Value::Unknown,
            });
        }
        met
    }

    /// The item at a place of a list, or all its items where the place is unknown.
    pub fn item(&self, place: &Value<'a>) -> Value<'a> {
        let mut found = Value::Nothing;
        for value in self.each() {
            found = found.or(match (value, place) {
                (Value::List(values), Value::Int(at)) => match index(*at, values.len()) {
                    Some(at) => values[at].clone(),
                    None => Value::Nothing,
                },
                (Value::Dict(items), key @ (Value::Text(_) | Value::Int(_))) => {
                    let all = items.iter().filter(|(known, _)| known == key || known.is_open());
                    all.fold(Value::Nothing, |found, (_, value)| found.or(value.clone()))
                }
                (Value::Dict(items), _) => {
                    items.iter().fold(Value::Nothing, |found, (_, value)| found.or(value.clone()))
                }
                (Value::Text(text), Value::Int(at)) => match index(*at, text.chars().count()) {
                    Some(at) => Value::made(text.chars().skip(at).take(1).collect::<String>()),
                    None => Value::Nothing,
                },
                (Value::Bytes(bytes), Value::Int(at)) => {
                    index(*at, bytes.len()).map_or(Value::Nothing, |at| Value::Int(i64::from(bytes[at])))
                }
                (value, _) => value.element(),
            });
        }
        found
    }
}

/// A place as Python counts it, from either end.
pub fn index(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok().filter(|_| at < length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alternatives and containers are bounded, what leads to code stays, and joining the same again changes nothing.
    #[test]
    fn values_are_bounded_and_joining_ends() {
        let texts = |count: usize| (0..count).map(|one| Value::made(one.to_string())).collect::<Vec<_>>();
        let any = |values: Vec<Value<'static>>| values.into_iter().fold(Value::Nothing, Value::or);
        let doubled = (0..50).fold(Value::Function(7), |inner, _| Value::list(vec![inner.clone(), inner]));
        let rows = [
            ("one", any(texts(1)), Some(Value::made("0"))),
            ("few", any(texts(ALTERNATIVES)), None),
            ("many", any(texts(100)), None),
            ("lists", any((0..100).map(|one| Value::list(texts(one))).collect()), None),
            ("long list", Value::list([texts(900), vec![Value::Function(7)]].concat()), None),
            ("doubled", doubled, None),
        ];
        for (name, value, expected) in rows {
            assert!(value.size() <= PARTS, "{name}");
            assert!(expected.is_none_or(|expected| expected == value), "{name}");
            assert_eq!(value.clone().or(value.clone()), value, "{name}");
            let more = value.or(Value::Function(7));
            assert!(more.is_live(), "{name}");
            let again = more.clone().or(Value::made("new"));
            assert_eq!(again.clone().or(Value::made("new")), again, "{name}");
        }
    }
}
