//! Reads the text of one file. A valid file is read straight into its types. Otherwise its tree is read, which gives
//! all structural mistakes and all entries that are valid. What the values mean is left to `declare` and `settings`.

use std::collections::{BTreeSet, HashMap};

use reconcile_core::{
    problem::Problem,
    source::{FileId, Segment, Source},
};
use serde::Deserialize;

use crate::{check::check, de::NodeReader, expand::expand, schema, shape::FileSpec, stream, tree::Tree};

/// Where the variables of the project file are looked up.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    /// The environment.
    pub(crate) env: &'a HashMap<String, String>,
    /// The chosen target. Variables of other targets need not be set.
    pub(crate) target: Option<&'a str>,
}

/// The contents of one file.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// Its valid entries.
    pub(crate) spec: FileSpec,
    /// The mistakes in the others.
    pub(crate) problems: Vec<Problem>,
    /// Why the URLs of databases are not known.
    pub(crate) urls: Vec<Problem>,
}

/// Reads a file. `variables` are for `reconcile.yaml` only.
pub(crate) fn parse(text: &str, file: FileId, variables: Option<Variables<'_>>) -> Parsed {
    let variables = variables.filter(|_| text.contains('$'));
    if variables.is_none()
        && let Some(spec) = stream::read(text)
    {
        return Parsed { spec, ..Parsed::default() };
    }
    let root = Source::file(file);
    let mut tree = Tree::parse(text);
    let mut parsed = Parsed::default();
    for fault in &tree.faults {
        let problem = Problem::new(&root, &fault.message).on_text(fault.offset);
        parsed.problems.push(Problem { hint: fault.hint.map(str::to_owned), ..problem });
    }
    if !parsed.problems.is_empty() {
        return parsed;
    }
    if let Some(variables) = variables {
        let unexpanded = expand(&mut tree, variables.env, variables.target, &root);
        parsed.problems = unexpanded.problems;
        parsed.urls = unexpanded.urls;
    }
    match check(&tree, schema::shared(), &root) {
        Ok(problems) => parsed.problems.extend(problems),
        Err(too_much) => {
            parsed.problems.push(*too_much);
            return parsed;
        }
    }
    for place in damaged(&parsed.problems) {
        tree.remove(&place);
    }
    match tree.root().map(|id| Option::<FileSpec>::deserialize(NodeReader { tree: &tree, id })) {
        Some(Ok(spec)) => parsed.spec = spec.unwrap_or_default(),
        Some(Err(mismatch)) if parsed.problems.is_empty() => parsed.problems.push(Problem::new(&root, mismatch.0)),
        Some(Err(_)) | None => {}
    }
    parsed
}

/// The entries to leave out so that the others can be read: an index, or a key of a table or of another section.
fn damaged(problems: &[Problem]) -> BTreeSet<Vec<Segment>> {
    let places = problems.iter().flat_map(|problem| problem.at.iter().chain(problem.related.iter().map(|r| &r.0)));
    places
        .map(|at| {
            let is = |position: usize, key: &str| at.path.get(position) == Some(&Segment::Key(key.into()));
            let depth = match (is(0, "tables"), is(0, "targets")) {
                (true, _) => {
                    if is(2, "indexes") {
                        4
                    } else {
                        3
                    }
                }
                (_, true) => 4,
                _ => 2,
            };
            at.path[..depth.min(at.path.len())].to_vec()
        })
        .collect()
}
