//! Holds the modules of each crate to `crates/README.md`: they form no circle, and what is a kind's own stays in its
//! folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};
use syn::visit::{self, Visit};
use walkdir::WalkDir;

/// The crates whose modules lean on each other in one direction only.
const WITHOUT_CIRCLES: [&str; 9] = ["core", "config", "live", "apply", "maintain", "render", "cli", "scratch", "bench"];

/// What may name a kind outside the kinds' folders: each does what only one kind is about.
const OF_ONE_KIND: [&str; 9] = [
    "cli/src/commands/import.rs",
    "cli/src/commands/refresh.rs",
    "cli/src/commands/validate.rs",
    "config/src/matviews.rs",
    "config/src/write.rs",
    "maintain/src/applied.rs",
    "maintain/src/due.rs",
    "maintain/src/refresh/mod.rs",
    "maintain/src/refresh/statement.rs",
];

#[test]
fn modules_form_no_circle() {
    for name in WITHOUT_CIRCLES {
        let root = crates().join(name).join("src");
        let modules = modules(&root);
        let root = modules.get(&Vec::new()).map(|root| &root.passes_on);
        let uses: BTreeMap<_, _> = modules.iter().map(|(path, module)| (path.clone(), &module.uses)).collect();
        let mut graph = DiGraphMap::<&str, ()>::new();
        let rooms: BTreeMap<Vec<String>, String> = uses.keys().map(|path| (path.clone(), room(path))).collect();
        for (path, targets) in &uses {
            let behind_root = |target: &Vec<String>| root?.get(target.first()?).cloned();
            let targets = targets.iter().map(|target| behind_root(target).unwrap_or_else(|| target.clone()));
            for target in targets.filter_map(|target| rooms.get(&defined(&target, &rooms))) {
                if rooms[path] != *target {
                    graph.add_edge(&rooms[path], target, ());
                }
            }
        }
        assert!(graph.edge_count() > 3, "{name} has only {} edges", graph.edge_count());
        let circles: Vec<_> = tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1).collect();
        assert!(circles.is_empty(), "modules of {name} that use each other: {circles:?}");
    }
}

#[test]
fn kinds_are_named_where_the_map_says() {
    let mut found = BTreeSet::new();
    for path in sources(&crates()) {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(crates()).unwrap().to_str().unwrap().to_owned();
        let product = path.contains("/src/") && !path.starts_with("core/src/kinds/");
        if product && ["Matview", "Retention", "Schedule"].iter().any(|kind| text.contains(kind)) {
            found.insert(path);
        }
    }
    let known: BTreeSet<_> = OF_ONE_KIND.into_iter().map(str::to_owned).collect();
    assert_eq!(found, known, "the right side is what crates/README.md allows");
}

/// What a file uses, as paths from the root of its crate.
struct Module {
    path: Vec<String>,
    uses: BTreeSet<Vec<String>>,
    /// The names of modules below that it has under its own, with their paths from here: `pub use error::Error`.
    passes_on: BTreeMap<String, Vec<String>>,
}

/// The modules of a crate, by their paths; what only tests use is left out.
fn modules(root: &Path) -> BTreeMap<Vec<String>, Module> {
    let files = sources(root).into_iter().filter(|file| !file.ends_with("tests.rs") && !file.ends_with("main.rs"));
    files.map(|file| read(root, &file)).map(|module| (module.path.clone(), module)).collect()
}

fn read(root: &Path, file: &Path) -> Module {
    let mut path: Vec<String> = file
        .strip_prefix(root)
        .unwrap()
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if path.last().is_some_and(|last| last == "mod" || last == "lib") {
        path.pop();
    }
    let mut module = Module { path, uses: BTreeSet::new(), passes_on: BTreeMap::new() };
    let text = fs::read_to_string(file).unwrap();
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    module.visit_file(&parsed);
    module
}

impl Module {
    /// Takes note of a path that begins in this crate.
    fn note(&mut self, segments: &[String]) {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let from = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self") => self.path.clone(),
            Some("super") => self.path[..self.path.len().saturating_sub(supers)].to_vec(),
            _ => return,
        };
        let rest = &segments[supers.max(1)..];
        self.uses.insert(from.into_iter().chain(rest.iter().cloned()).collect());
    }

    fn bring_in(&mut self, name: &syn::Ident, path: Vec<String>) {
        self.note(&path);
        let below = path.into_iter().skip_while(|segment| segment == "crate" || segment == "self");
        self.passes_on.insert(name.to_string(), below.collect());
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| before.iter().cloned().chain([ident.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.bring_in(&name.ident, with(&name.ident)),
            syn::UseTree::Rename(rename) => self.bring_in(&rename.rename, with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // `mod tests { … }`: what it uses is no part of the product, and `super` is another module there.
        if item.content.is_none() {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {
        // `pub(crate)` uses nothing of the root.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }
}

/// The module that a path leads into: its longest beginning that is one.
fn defined(path: &[String], modules: &BTreeMap<Vec<String>, String>) -> Vec<String> {
    (0..=path.len())
        .rev()
        .map(|length| path[..length].to_vec())
        .find(|path| modules.contains_key(path))
        .unwrap_or_default()
}

/// What may have circles inside: a module of the crate's root, and each folder of a kind.
fn room(path: &[String]) -> String {
    let folder = crates().join("core/src").join(path.iter().take(2).collect::<PathBuf>());
    let length = if path.first().is_some_and(|first| first == "kinds") && folder.is_dir() { 2 } else { 1 };
    path.iter().take(length).cloned().collect::<Vec<_>>().join("/")
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(root).into_iter().map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
