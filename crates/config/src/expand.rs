//! Replaces `${VAR}` and `${VAR:-default}` by the values of variables, only in the values of `reconcile.yaml`.
//! The rules are those of Docker Compose: an empty variable counts as missing if there is a default, `$$` is a `$`, and
//! a default may contain further variables. Keys stay as they are, and so does a `$` before any other character.

use std::collections::{HashMap, HashSet};

use reconcile_core::{problem::Problem, source::Source};

use crate::tree::{Content, NodeId, Tree};

/// How deeply defaults may be nested. More is a mistake.
const MAX_DEPTH: usize = 16;

/// The mistakes that expansion found.
#[derive(Debug, Default)]
pub(crate) struct Unexpanded {
    /// Mistakes that prevent loading.
    pub(crate) problems: Vec<Problem>,
    /// Why the URL of the project's or the target's database is not known. It matters only if that URL is used to
    /// connect.
    pub(crate) urls: Vec<Problem>,
}

/// Expands the values of a tree, except those of targets other than `target`.
pub(crate) fn expand(tree: &mut Tree, env: &HashMap<String, String>, target: Option<&str>, at: &Source) -> Unexpanded {
    let mut expansion = Expansion { tree, env, target, done: HashSet::new(), missing: Unexpanded::default() };
    if let Some(root) = expansion.tree.root() {
        expansion.node(root, at, 0);
    }
    expansion.missing
}

struct Expansion<'a> {
    tree: &'a mut Tree,
    env: &'a HashMap<String, String>,
    target: Option<&'a str>,
    /// Nodes that are expanded already: aliases can lead to a node more than once.
    done: HashSet<NodeId>,
    missing: Unexpanded,
}

impl Expansion<'_> {
    fn node(&mut self, id: NodeId, at: &Source, depth: usize) {
        if !self.done.insert(id) {
            return;
        }
        match &self.tree.node(id).content {
            Content::Scalar(scalar) => {
                if scalar.text.contains('$') {
                    let text = scalar.text.clone();
                    self.scalar(id, text, at);
                }
            }
            Content::List(items) => {
                for (position, item) in items.clone().into_iter().enumerate() {
                    self.node(item, &at.item(position), depth + 1);
                }
            }
            Content::Map(entries) => {
                for entry in entries.clone() {
                    let key = self.tree.key_text(entry.key).unwrap_or_default().to_owned();
                    let other_target = depth == 1 && self.target != Some(&key) && is_at(at, &["targets"]);
                    if !other_target {
                        self.node(entry.value, &at.key(&key), depth + 1);
                    }
                }
            }
        }
    }

    fn scalar(&mut self, id: NodeId, text: String, at: &Source) {
        match expand_text(&text, self.env, 0) {
            Ok(expanded) => {
                if let Content::Scalar(scalar) = &mut self.tree.node_mut(id).content {
                    scalar.text = expanded;
                    scalar.unexpanded = Some(text);
                }
            }
            Err(Refusal { offset, message, hint }) => {
                let problem = Problem::new(at, message).on_text(offset).hint(hint);
                if ends_with(at, &["database", "url"]) {
                    self.missing.urls.push(problem);
                    self.tree.remove(&at.path);
                } else {
                    self.missing.problems.push(problem);
                }
            }
        }
    }
}

fn is_at(at: &Source, keys: &[&str]) -> bool {
    at.path.len() == keys.len() && ends_with(at, keys)
}

fn ends_with(at: &Source, keys: &[&str]) -> bool {
    use reconcile_core::source::Segment;
    at.path.len() >= keys.len()
        && at.path[at.path.len() - keys.len()..].iter().zip(keys).all(|(segment, key)| match segment {
            Segment::Key(written) => &**written == *key,
            Segment::Item(_) => false,
        })
}

/// Why a text cannot be expanded. Never contains the value of a variable.
#[derive(Debug, PartialEq)]
struct Refusal {
    offset: usize,
    message: String,
    hint: String,
}

fn expand_text(text: &str, env: &HashMap<String, String>, depth: usize) -> Result<String, Refusal> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let offset = text.len() - rest.len() + start;
        expanded.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('{') {
            let end = closing_brace(tail).ok_or_else(|| Refusal {
                offset,
                message: "this `${` has no closing `}`".to_owned(),
                hint: "close it, or write `$$` for a `$`".to_owned(),
            })?;
            expanded.push_str(&variable(&tail[..end], offset, env, depth)?);
            rest = &tail[end + 1..];
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn variable(text: &str, offset: usize, env: &HashMap<String, String>, depth: usize) -> Result<String, Refusal> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let value = env.get(name);
    let refuse = |message: String, hint: String| Err(Refusal { offset, message, hint });
    match rest.strip_prefix(":-") {
        _ if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) => refuse(
            "this `${…}` does not contain a valid variable name".to_owned(),
            "write `${NAME}`, or `$$` for a `$`".to_owned(),
        ),
        Some(_) if depth == MAX_DEPTH => {
            refuse("defaults are nested too deeply".to_owned(), "write one default".to_owned())
        }
        Some(default) => match value.filter(|value| !value.is_empty()) {
            Some(value) => Ok(value.clone()),
            None => expand_text(default, env, depth + 1).map_err(|refusal| Refusal { offset, ..refusal }),
        },
        None if rest.is_empty() => match value {
            Some(value) => Ok(value.clone()),
            None => refuse(
                format!("the environment variable `{name}` is not set"),
                format!("set it, or give a default: `${{{name}:-default}}`"),
            ),
        },
        None => {
            refuse("only `${NAME}` and `${NAME:-default}` are supported".to_owned(), "write `$$` for a `$`".to_owned())
        }
    }
}

/// The position of the `}` that closes an opened `${`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_like_docker_compose() {
        let env: HashMap<_, _> = [("A", "1"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (text, expanded) in [
            ("x${A}y", "x1y"),
            ("${A:-2}${B:-2}${EMPTY:-3}", "123"),
            ("${EMPTY}", ""),
            ("$$A $${A} $A $", "$A ${A} $A $"),
            ("${B:-${A}}-${B:-}", "1-"),
            ("${B:-{}}", "{}"),
        ] {
            assert_eq!(expand_text(text, &env, 0).as_deref(), Ok(expanded), "{text}");
        }
        for (text, offset) in [("ab${B}", 2), ("${A", 0), ("${}", 0), ("${1}", 0), ("${A-1}", 0), ("x${B:-${C}}", 1)] {
            assert_eq!(expand_text(text, &env, 0).expect_err(text).offset, offset, "{text}");
        }
        let deep = "${B:-".repeat(100_000) + &"}".repeat(100_000);
        assert!(expand_text(&deep, &env, 0).is_err());
    }
}
