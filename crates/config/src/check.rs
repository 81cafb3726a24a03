//! Checks a file's tree against the JSON Schema of its types, to find all structural mistakes at once.
//! Knows only those keywords of JSON Schema that the types produce. What the values mean is left to `declare` and
//! `settings`.

use std::collections::HashSet;

use reconcile_core::{problem::Problem, source::Source};
use serde_json::Value;

use crate::{
    scalar::{Scalar, Typed},
    shape::UNSUPPORTED,
    tree::{Content, NodeId, Tree},
};

/// The most problems of one file that are looked for. More are not the mistakes of a person, and repeated aliases may
/// make millions.
const MAX_PROBLEMS: usize = 5000;

/// The most nodes that aliases may add to those written in the file. More than that is an attack, not a project.
const MAX_REPEATED: usize = 1_000_000;

/// Finds all structural mistakes in a tree.
///
/// # Errors
/// The tree's aliases expand to more values than can be read.
pub(crate) fn check(tree: &Tree, schema: &Value, at: &Source) -> Result<Vec<Problem>, Box<Problem>> {
    let left = tree.size() + MAX_REPEATED;
    let mut check = Check { tree, root: schema, left, problems: Vec::new() };
    if let Some(root) = tree.root()
        && !is_null(tree, root)
    {
        check.node(root, Type { name: "FileSpec", schema }, at);
    }
    if check.left == 0 {
        let problem = Problem::new(at, "the aliases of this file expand to more than a million values").on_text(0);
        return Err(Box::new(problem.hint("write the values out, or split the file")));
    }
    if check.problems.len() >= MAX_PROBLEMS {
        let message = format!("this file has {MAX_PROBLEMS} mistakes or more; the search stopped here");
        check.problems.push(Problem::new(at, message).on_text(0));
    }
    Ok(check.problems)
}

struct Check<'a> {
    tree: &'a Tree,
    root: &'a Value,
    /// How many more nodes may be checked.
    left: usize,
    problems: Vec<Problem>,
}

/// A part of the schema, and the name of the type from which it was generated.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: &'a str,
    schema: &'a Value,
}

impl<'a> Check<'a> {
    fn node(&mut self, id: NodeId, expected: Type<'a>, at: &Source) {
        self.left = self.left.saturating_sub(1);
        if self.problems.len() >= MAX_PROBLEMS || self.left == 0 {
            return;
        }
        let expected = self.resolve(expected);
        if let Some(branches) = branches(expected.schema) {
            return self.one_of(id, expected, branches, at);
        }
        if !self.fits(id, expected.schema, true) {
            return self.mismatch(id, expected, at);
        }
        let tree = self.tree;
        match &tree.node(id).content {
            Content::Map(_) => self.map(id, expected, at),
            Content::List(items) => {
                if let Some(schema) = expected.schema.get("items") {
                    for (position, item) in items.iter().enumerate() {
                        self.node(*item, Type { name: "", schema }, &at.item(position));
                    }
                }
            }
            Content::Scalar(_) => self.scalar(id, expected, at),
        }
    }

    fn one_of(&mut self, id: NodeId, expected: Type<'a>, branches: &'a [Value], at: &Source) {
        let words = self.words(expected.schema);
        if !words.is_empty() && matches!(self.tree.node(id).content, Content::Scalar(_)) && !is_null(self.tree, id) {
            return self.word(id, &words, at);
        }
        let branch = branches.iter().map(|schema| self.resolve(Type { name: "", schema }));
        match branch.into_iter().find(|branch| self.fits(id, branch.schema, false)) {
            Some(branch) => self.node(id, branch, at),
            None => self.mismatch(id, expected, at),
        }
    }

    fn map(&mut self, id: NodeId, expected: Type<'a>, at: &Source) {
        let tree = self.tree;
        let Content::Map(entries) = &tree.node(id).content else { return };
        let properties = expected.schema.get("properties").and_then(Value::as_object);
        let any = expected.schema.get("additionalProperties").filter(|schema| schema.is_object());
        let mut seen: HashSet<&str> = HashSet::with_capacity(entries.len());
        for entry in entries {
            if self.problems.len() >= MAX_PROBLEMS {
                return;
            }
            let Some(key) = tree.key_text(entry.key) else {
                let offset = tree.node(entry.key).span.start;
                let problem = Problem::new(&Source::file(at.file), "a key must be text").on_text(offset);
                self.problems.push(problem.hint("put quotes around it"));
                continue;
            };
            let below = at.key(key);
            if !seen.insert(key) {
                if !entry.merged {
                    let offset = tree.node(entry.key).span.start;
                    let problem = Problem::new(&Source::file(at.file), format!("duplicate key `{key}`"));
                    self.problems.push(problem.on_text(offset).related(&below, "first here"));
                }
                continue;
            }
            match (properties.and_then(|properties| properties.get(key)), any) {
                (Some(schema), _) | (None, Some(schema)) => self.node(entry.value, Type { name: "", schema }, &below),
                (None, None) => self.unknown_key(key, expected, &below),
            }
        }
        let required = expected.schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for key in required.filter_map(Value::as_str).filter(|key| !seen.contains(key)) {
            self.problems.push(Problem::new(at, format!("the key `{key}` is missing")).on_key());
        }
    }

    fn unknown_key(&mut self, key: &str, expected: Type<'a>, at: &Source) {
        let unsupported = |(name, keys): &(&str, &[&str])| *name == expected.name && keys.contains(&key);
        if UNSUPPORTED.iter().any(unsupported) {
            let problem = Problem::new(at, format!("`{key}` is not supported by this version")).on_key();
            return self.problems.push(problem.hint("remove it, or use a version of reconcile that supports it"));
        }
        let known = expected.schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        let mut problem = Problem::new(at, format!("unknown key `{key}`")).on_key().did_you_mean(key, known.clone());
        if problem.hint.is_none() {
            problem = problem.hint(format!("known keys: {}", list(&known)));
        }
        self.problems.push(problem);
    }

    fn scalar(&mut self, id: NodeId, expected: Type<'a>, at: &Source) {
        let words = self.words(expected.schema);
        if !words.is_empty() {
            return self.word(id, &words, at);
        }
        let Content::Scalar(scalar) = &self.tree.node(id).content else { return };
        if let Typed::Integer(number) = scalar.typed()
            && allows(expected.schema, "integer")
        {
            let least = expected.schema.get("minimum").and_then(Value::as_i64).map(i128::from);
            let most = match expected.schema.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(i128::from(u32::MAX)),
                _ => None,
            };
            if let Some(least) = least.filter(|least| number < *least) {
                self.problems.push(Problem::new(at, format!("the value must be at least {least}")));
            } else if let Some(most) = most.filter(|most| number > *most) {
                self.problems.push(Problem::new(at, format!("the value must be at most {most}")));
            }
        }
    }

    fn word(&mut self, id: NodeId, words: &[&str], at: &Source) {
        let Content::Scalar(scalar) = &self.tree.node(id).content else { return };
        if words.contains(&scalar.text.as_str()) {
            return;
        }
        // A word that may also be written in capitals is shown in one spelling only.
        let is_first = |word: &&str| words.iter().find(|other| other.eq_ignore_ascii_case(word)) == Some(word);
        let shown: Vec<_> = words.iter().copied().filter(is_first).collect();
        let mut problem = Problem::new(at, format!("unknown value `{}`", scalar.shown()));
        problem = problem.did_you_mean(&scalar.text, shown.iter().copied());
        if problem.hint.is_none() {
            problem = problem.hint(format!("expected one of {}", list(&shown)));
        }
        self.problems.push(problem);
    }

    fn mismatch(&mut self, id: NodeId, expected: Type<'a>, at: &Source) {
        let mut wanted = Vec::new();
        self.wanted(expected.schema, &mut wanted);
        let (found, scalar) = match &self.tree.node(id).content {
            Content::List(_) => ("a list".to_owned(), None),
            Content::Map(_) => ("a map".to_owned(), None),
            Content::Scalar(scalar) => (found(scalar), Some(scalar)),
        };
        let mut problem = Problem::new(at, format!("expected {}, found {found}", wanted.join(" or ")));
        let text = scalar.filter(|scalar| wanted.contains(&"text") && scalar.unexpanded.is_none());
        if let Some(scalar) = text.filter(|scalar| !scalar.text.is_empty()) {
            problem = problem.hint(format!("if you mean text, put quotes around it: \"{}\"", scalar.text));
        }
        self.problems.push(problem);
    }

    /// Follows `$ref` to the type it names.
    fn resolve(&self, mut expected: Type<'a>) -> Type<'a> {
        while let Some(name) = expected.schema.get("$ref").and_then(Value::as_str) {
            let name = name.rsplit('/').next().unwrap_or(name);
            match self.root.get("$defs").and_then(|types| types.get(name)) {
                Some(schema) => expected = Type { name, schema },
                None => break,
            }
        }
        expected
    }

    /// Whether a node can be of a type. With `lenient`, any scalar is accepted as text.
    fn fits(&self, id: NodeId, schema: &Value, lenient: bool) -> bool {
        let is = |name| allows(schema, name);
        match &self.tree.node(id).content {
            Content::List(_) => is("array"),
            Content::Map(_) => is("object"),
            Content::Scalar(scalar) => match scalar.typed() {
                Typed::Null => is("null"),
                Typed::Boolean(_) => is("boolean") || (lenient && is("string")),
                Typed::Integer(_) => is("integer") || is("number") || (lenient && is("string")),
                Typed::Number(_) => is("number") || (lenient && is("string")),
                Typed::Text(_) => is("string") || (lenient && !self.words(schema).is_empty()),
            },
        }
    }

    /// The only words that a type allows, or none if it is not limited to words.
    fn words(&self, schema: &'a Value) -> Vec<&'a str> {
        let schema = self.resolve(Type { name: "", schema }).schema;
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            return vec![word];
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.iter().filter_map(Value::as_str).collect();
        }
        branches(schema).into_iter().flatten().flat_map(|branch| self.words(branch)).collect()
    }

    fn wanted(&self, schema: &'a Value, wanted: &mut Vec<&'static str>) {
        let schema = self.resolve(Type { name: "", schema }).schema;
        for branch in branches(schema).into_iter().flatten() {
            self.wanted(branch, wanted);
        }
        for (name, words) in [
            ("string", "text"),
            ("array", "a list"),
            ("object", "a map"),
            ("integer", "a whole number"),
            ("number", "a number"),
            ("boolean", "true or false"),
        ] {
            if allows(schema, name) && !wanted.contains(&words) {
                wanted.push(words);
            }
        }
    }
}

fn branches(schema: &Value) -> Option<&[Value]> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).map(Vec::as_slice)
}

fn allows(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(any)) => any.iter().any(|one| one == name),
        _ => false,
    }
}

fn is_null(tree: &Tree, id: NodeId) -> bool {
    matches!(&tree.node(id).content, Content::Scalar(scalar) if scalar.typed() == Typed::Null)
}

fn found(scalar: &Scalar) -> String {
    let shown = shorten(scalar.shown());
    match scalar.typed() {
        Typed::Null => "nothing".to_owned(),
        Typed::Boolean(_) => format!("the boolean `{shown}`"),
        Typed::Integer(_) | Typed::Number(_) => format!("the number `{shown}`"),
        Typed::Text(_) => format!("the text `{shown}`"),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
