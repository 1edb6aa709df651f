//! Paths of files, as far as literal text tells them: `os.path` and `pathlib` by their effect on a path's beginning.

use crate::fold;
use crate::value::Value;

/// Characters of a path that are kept behind an unknown beginning.
const REST: usize = 256;

/// What a function that makes a path returns, if its arguments tell.
pub fn call<'a>(function: &str, arguments: &[Value<'a>]) -> Option<Value<'a>> {
    let known = |value: &Value| value.each().iter().any(|one| matches!(one, Value::Text(_) | Value::Pattern(_)));
    match function {
        "os.path.expanduser"
        | "os.path.abspath"
        | "os.path.realpath"
        | "os.path.normpath"
        | "os.fspath"
        | "os.path.normcase"
        | "os.path.expandvars"
        | "bpy.path.native_pathsep" => arguments.first().filter(|path| known(path)).cloned(),
        "os.path.join" => join(arguments),
        "bpy.path.abspath" => match arguments.first() {
            Some(Value::Text(text)) if !text.starts_with("//") => arguments.first().cloned(),
            _ => None,
        },
        _ => None,
    }
}

fn join<'a>(parts: &[Value<'a>]) -> Option<Value<'a>> {
    let (first, rest) = parts.split_first()?;
    let mut all = match first {
        Value::Text(_) | Value::Pattern(_) => vec![first.clone()],
        // Where it begins is not known, but the rest can lead out of there.
        _ => return Some(Value::Pattern((String::new(), known_rest(rest)).into())),
    };
    for part in rest {
        all.push(Value::made("/"));
        all.push(part.clone());
    }
    Some(fold::concatenate(&all))
}

fn known_rest(parts: &[Value]) -> String {
    let texts = parts.iter().map(|part| if let Value::Text(text) = part { &**text } else { "" });
    texts.fold(String::new(), |all, text| all + "/" + text).chars().take(REST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_path_is_kept() {
        let rows = [
            ("os.path.expanduser", vec![Value::made("~/.a")], Some(Value::made("~/.a"))),
            ("os.path.join", vec![Value::made("~"), Value::made(".a")], Some(Value::made("~/.a"))),
            (
                "os.path.join",
                vec![Value::Data, Value::made("a")],
                Some(Value::Pattern((String::new(), "/a".to_owned()).into())),
            ),
            ("os.path.exists", vec![Value::made("a")], None),
        ];
        for (function, arguments, expected) in rows {
            assert_eq!(call(function, &arguments), expected, "{function}");
        }
    }
}
