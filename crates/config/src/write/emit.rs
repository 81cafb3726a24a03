//! The text of a YAML value. Chooses a style where the library would choose one that reads back as something else.

use std::fmt::Write as _;

use serde_yaml::{Mapping, Value};

/// The text of a file. Double quotes are put around what the library does not quote and should; until then it stands
/// under a name that the text does not have.
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
    // They stand in the text in the order in which they were met.
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

/// What makes a mark one of its own, so that a map may have several as keys.
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

/// A key that would bring in another map; or what the library puts into a block, where it takes these for ends of lines.
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
                // A String takes whatever is written.
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}
