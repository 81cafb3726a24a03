//! `import`: writes YAML from the live schema.

use std::{collections::BTreeMap, path::PathBuf};

use reconcile_config::write::schema_yaml;
use reconcile_core::{
    change::SessionSettings,
    declared::Declared,
    kinds::{
        index::{
            Carrier, DesiredRelation, Index, IndexState,
            import::{Selection, read_all},
        },
        matview::{self, Matview, catalog::Found},
    },
    postgres::{
        name::{Ident, NameError, QualifiedName},
        relation::RelationKind,
    },
    server,
    source::Source,
};
use reconcile_live::Session;

use crate::{
    args::{Global, ImportArgs},
    commands::init::write_new,
    error::{Exit, Failure},
    project,
    terminal::Terminal,
};

/// The selected live objects.
struct Read {
    relations: BTreeMap<QualifiedName, Carrier>,
    views: Vec<Found>,
}

/// The contents of a file.
#[derive(Default)]
struct Contents {
    tables: Vec<DesiredRelation>,
    views: Vec<Matview>,
}

/// Reads all indexes and materialized views of the selected relations, and writes a file per schema.
pub(crate) async fn run(global: &Global, args: &ImportArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let project = project::load_if_any(global)?;
    let options = project.settings.session();
    let mut session = Session::connect(&project::target(global, &project)?).await?;
    let (files, left) = files(read(&mut session, args, &options).await?, args);
    session.close().await;
    let out = global.directory.join(&args.out);
    // In a project folder, the files go to schema/. If `--out` is a folder schema/, they go directly into it.
    let folder = if out.file_name().is_some_and(|name| name == "schema") { out } else { out.join("schema") };
    let paths: Vec<PathBuf> = files.keys().map(|schema| folder.join(file_name(schema))).collect();
    if let Some(standing) = paths.iter().find(|path| path.exists()) {
        let message = format!("{} exists; nothing was written", standing.display());
        return Err(Failure::said(Exit::Error, message, "import into an empty folder, and merge the files by hand"));
    }
    for (path, contents) in paths.iter().zip(files.values()) {
        write_new(path, &schema_yaml(&contents.tables, &contents.views))?;
        terminal.print(&format!("wrote {}: {}\n", path.display(), contents.words()));
    }
    for what in left.beyond.iter().take(MAX_SHOWN) {
        terminal.print(&format!("not in the files: {what}\n"));
    }
    if let Some(more) = left.beyond.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
        terminal.print(&format!("not in the files: the same of {more} more objects\n"));
    }
    if args.all && left.tables > 0 {
        let (tables, were) = if left.tables == 1 { ("table", "was") } else { ("tables", "were") };
        terminal.print(&format!(
            "{} {tables} without an index of their own {were} left out: only `--prune` declares something of these\n",
            left.tables
        ));
    }
    if paths.is_empty() {
        terminal
            .print("Nothing to import: there are no materialized views, and no indexes except those of constraints.\n");
    }
    Ok(Exit::Done)
}

/// The most objects of which is said what the files leave out.
const MAX_SHOWN: usize = 20;

/// What the files do not say.
#[derive(Default)]
struct Left {
    /// The number of tables of which nothing is declared.
    tables: usize,
    /// What imported objects have and no declaration can say, an object a line.
    beyond: Vec<String>,
}

impl Left {
    fn note(&mut self, object: &QualifiedName, beyond: &[String]) {
        if !beyond.is_empty() {
            self.beyond.push(format!("{object}: {}", beyond.join(", ")));
        }
    }
}

impl Contents {
    /// The numbers of objects, for people.
    fn words(&self) -> String {
        let of_tables = self.tables.iter().map(|table| table.indexes.len());
        let indexes: usize = of_tables.chain(self.views.iter().map(|view| view.indexes.len())).sum();
        format!("{} tables, {} materialized views, {indexes} indexes", self.tables.len(), self.views.len())
    }
}

async fn read(session: &mut Session, args: &ImportArgs, options: &SessionSettings) -> Result<Read, Failure> {
    let named = |error: NameError| Failure::said(Exit::Usage, error.to_string(), "write a table as schema.table");
    let schemas: Result<Vec<_>, _> = args.schema.iter().map(Ident::new).collect();
    let relations: Result<Vec<_>, _> = args.table.iter().map(|table| QualifiedName::parse(table)).collect();
    let selection = Selection {
        registry_schema: options.registry_schema.clone(),
        schemas: schemas.map_err(named)?,
        relations: relations.map_err(named)?,
    };
    server::begin(session, options, usize::MAX).await?;
    let mut live = read_all(session, &selection).await?;
    if let Some(missing) = selection.relations.iter().find(|name| !live.contains_key(name)) {
        return Err(Failure::other(format!("there is no table or materialized view `{missing}`")));
    }
    // The partitions below a selected parent are read as well, but only selected relations are written.
    let selected = |relation: &Carrier| {
        (selection.relations.is_empty() || selection.relations.contains(&relation.name))
            && (selection.schemas.is_empty() || selection.schemas.contains(&relation.name.schema))
    };
    live.retain(|_, relation| selected(relation));
    let of_views = live.values().filter(|relation| relation.kind == RelationKind::MaterializedView);
    let of_views: Vec<_> = of_views.map(|relation| &relation.name).collect();
    let views = matview::read::read_all(session, &of_views).await?;
    Ok(Read { relations: live, views })
}

/// The files by schema, and what they do not say.
fn files(read: Read, args: &ImportArgs) -> (BTreeMap<Ident, Contents>, Left) {
    let mut left = Left::default();
    let mut files: BTreeMap<Ident, Contents> = BTreeMap::new();
    for found in &read.views {
        let indexes = read.relations.get(&found.name).map(|own| own_indexes(own, &mut left)).unwrap_or_default();
        let (view, beyond) = found.imported();
        left.note(&found.name, &beyond);
        let view = Matview { indexes, ..view };
        files.entry(found.name.schema.clone()).or_default().views.push(view);
    }
    for relation in read.relations.into_values().filter(|other| other.kind != RelationKind::MaterializedView) {
        let indexes: Vec<_> = own_indexes(&relation, &mut left).into_iter().map(Declared::nowhere).collect();
        // Such a table may go at any time, so that an entry that declares nothing would only be in the way.
        if indexes.is_empty() && !(args.all && args.prune) {
            left.tables += 1;
            continue;
        }
        let tables = &mut files.entry(relation.name.schema.clone()).or_default().tables;
        tables.push(DesiredRelation {
            name: relation.relation.name,
            at: Source::nowhere(),
            prune: args.prune,
            indexes,
        });
    }
    for contents in files.values_mut() {
        contents.tables.sort_by(|a, b| a.name.cmp(&b.name));
    }
    (files, left)
}

/// The indexes that can be declared. Those of a constraint or of a parent's index cannot, nor remnants of a build.
fn own_indexes(relation: &Carrier, left: &mut Left) -> Vec<Index> {
    let own = relation.indexes.values().filter(|live| !live.is_owned_elsewhere() && live.state == IndexState::Valid);
    own.inspect(|live| left.note(&live.index.relation(), &live.beyond_declaration()))
        .map(|live| live.index.clone())
        .collect()
}

/// The file name for a schema: its own name, if that has no special characters.
fn file_name(schema: &Ident) -> String {
    let tame = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let stem: String = schema.as_str().chars().map(|c| if tame(c) { c } else { '_' }).collect();
    if stem == schema.as_str() {
        format!("{stem}.yaml")
    } else {
        format!("{stem}-{}.yaml", reconcile_core::digest::Digest::of(schema).short(8))
    }
}
