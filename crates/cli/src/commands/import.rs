//! `import`: YAML from what is live.

use std::{collections::BTreeMap, path::PathBuf};

use reconcile_config::write::tables_yaml;
use reconcile_core::{
    desired::{DeclaredIndex, DesiredRelation},
    kinds::index::spec::Lowered,
    live::{IndexState, Relation},
    name::{Ident, NameError, QualifiedName},
    source::{FileId, Source},
};
use reconcile_live::{
    ReadOptions, Session,
    catalog::{self, Selection},
    hello,
};

use crate::{
    args::{Global, ImportArgs},
    commands::init::write_new,
    error::{Exit, Failure},
    project, surroundings,
    terminal::Terminal,
};

/// Reads every index of the selected relations and writes a file per schema.
pub(crate) async fn run(global: &Global, args: &ImportArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let project = project::load_if_any(global)?;
    let options = surroundings::read_options(&project);
    let mut session = Session::connect(&project::target(global, &project)?).await?;
    let files = files(&read(&mut session, args, &options).await?, args);
    session.close().await;
    let out = global.directory.join(&args.out);
    // A project folder gets its files under schema/; the folder schema/ itself, directly.
    let folder = if out.file_name().is_some_and(|name| name == "schema") { out } else { out.join("schema") };
    let paths: Vec<PathBuf> = files.keys().map(|schema| folder.join(file_name(schema))).collect();
    if let Some(standing) = paths.iter().find(|path| path.exists()) {
        let message = format!("{} exists; nothing was written", standing.display());
        return Err(Failure::said(Exit::Error, message, "import into an empty folder, and merge by hand"));
    }
    for (path, relations) in paths.iter().zip(files.values()) {
        write_new(path, &tables_yaml(relations))?;
        let indexes: usize = relations.iter().map(|relation| relation.indexes.len()).sum();
        terminal.print(&format!("wrote {}: {} tables, {indexes} indexes\n", path.display(), relations.len()));
    }
    if paths.is_empty() {
        terminal.print("Nothing to import: no index outside constraints.\n");
    }
    Ok(Exit::Done)
}

async fn read(session: &mut Session, args: &ImportArgs, options: &ReadOptions) -> Result<Vec<Relation>, Failure> {
    let named = |error: NameError| Failure::said(Exit::Usage, error.to_string(), "a table is schema.table");
    let schemas: Result<Vec<_>, _> = args.schema.iter().map(Ident::new).collect();
    let relations: Result<Vec<_>, _> = args.table.iter().map(|table| QualifiedName::parse(table)).collect();
    let selection = Selection {
        registry_schema: options.registry_schema.clone(),
        schemas: schemas.map_err(named)?,
        relations: relations.map_err(named)?,
    };
    hello::begin(session, options, usize::MAX).await?;
    let live = catalog::read_all(session, &selection).await?;
    if let Some(missing) = selection.relations.iter().find(|name| !live.contains_key(name)) {
        return Err(Failure::other(format!("there is no table or materialized view `{missing}`")));
    }
    // The partitions below a selected parent come along; only what was selected is written.
    let selected = |relation: &Relation| {
        (selection.relations.is_empty() || selection.relations.contains(&relation.name))
            && (selection.schemas.is_empty() || selection.schemas.contains(&relation.name.schema))
    };
    Ok(live.into_values().filter(selected).collect())
}

fn files(relations: &[Relation], args: &ImportArgs) -> BTreeMap<Ident, Vec<DesiredRelation>> {
    let mut files: BTreeMap<Ident, Vec<DesiredRelation>> = BTreeMap::new();
    for relation in relations {
        let at = Source::file(FileId(0));
        let own =
            relation.indexes.values().filter(|live| !live.is_owned_elsewhere() && live.state == IndexState::Valid);
        let indexes: Vec<_> = own
            .map(|live| {
                DeclaredIndex::new(Lowered { index: live.index.clone(), protect: false, short: false }, at.clone())
            })
            .collect();
        if indexes.is_empty() && !args.all {
            continue;
        }
        let desired = DesiredRelation { name: relation.name.clone(), at, prune: args.prune, indexes };
        files.entry(relation.name.schema.clone()).or_default().push(desired);
    }
    for relations in files.values_mut() {
        relations.sort_by(|a, b| a.name.cmp(&b.name));
    }
    files
}

/// A file name for a schema: its own, where that is a tame one.
fn file_name(schema: &Ident) -> String {
    let tame = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let stem: String = schema.as_str().chars().map(|c| if tame(c) { c } else { '_' }).collect();
    if stem == schema.as_str() {
        format!("{stem}.yaml")
    } else {
        format!("{stem}-{}.yaml", reconcile_core::digest::Digest::of(schema).short(8))
    }
}
