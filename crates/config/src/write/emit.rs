//! The text of a YAML value. Chooses a style where the library's choice would read back as a different value.

use std::fmt::Write as _;

use serde_yaml::{Mapping, Value};

/// The text of a file. Puts double quotes around texts that the library should quote but does not. While the library
/// writes, a mark that does not occur in the file takes their place.
pub(super) fn text(file: Value) -> String {
    let mut mark = "text".to_owned();
    let yaml = library(&file);
    while yaml.contains(&mark) {
        mark.push('_');
    }
    let mut odd = Vec::new();
    let yaml = library(&marked(file, &mark, &mut odd));
    let mut parts = yaml.split(&mark);
    let mut text = parts.next().unwrap_or_default().to_owned();
    // The marks are in the text in the order in which they were given.
    for (number, (odd, part)) in odd.iter().zip(parts).enumerate() {
        text.push_str(&quoted(odd));
        text.push_str(part.strip_prefix(&ending(number)).unwrap_or(part));
    }
    text
}

fn library(value: &Value) -> String {
    match serde_yaml::to_string(value) {
        Ok(yaml) => yaml,
        Err(error) => panic!("declarations are not YAML: {error}"),
    }
}

/// The end of a mark, which makes it unique, so that a map can have several marks as keys.
fn ending(number: usize) -> String {
    format!("{number}.")
}

fn marked(value: Value, mark: &str, odd: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) if is_odd(&text) => {
            let mark = format!("{mark}{}", ending(odd.len()));
            odd.push(text);
            Value::from(mark)
        }
        Value::Sequence(items) => items.into_iter().map(|item| marked(item, mark, odd)).collect(),
        Value::Mapping(map) => {
            let entries = map.into_iter().map(|(key, value)| (marked(key, mark, odd), marked(value, mark, odd)));
            Value::from(entries.collect::<Mapping>())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => value,
    }
}

/// Whether the library would write the text wrongly: as a key that merges another map, or as a block whose lines end at
/// these characters.
fn is_odd(text: &str) -> bool {
    text == "<<" || text.contains('\n') && text.contains(['\u{2028}', '\u{2029}'])
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}
