//! A materialized view, declared or live. `query` holds its query, `spec` its form in YAML, `catalog` its reading from
//! the catalogs, `order` the order of dependencies, `grants` its rights. `decide` plans its changes, `steps` makes
//! their statements, and `routine` the procedures that refresh it inside the database. Its indexes are indexes like any
//! other, except when the view is rebuilt.

mod ask;
pub mod basis;
pub mod canonical;
pub mod catalog;
pub mod compare;
pub mod decide;
pub mod dependents;
pub mod grant_diff;
pub mod grants;
pub mod group;
mod import;
pub mod live;
pub mod names;
pub mod order;
mod print;
pub mod query;
pub mod read;
mod rehearsal;
pub mod rename_references;
mod rollback;
pub mod routine;
pub mod spec;
pub mod steps;
pub mod waiting;

use crate::{
    address::{Address, KindName, Shape},
    change::{Action, Change},
    declared::Declared,
    kind::{Context, Describe, Kind, Part, Projection, Undoing},
    kinds::index::{self, Index},
    postgres::{
        name::{Ident, QualifiedName},
        parameters::Parameters,
        routine::SharedRoutine,
        sql::Sql,
    },
};
use serde::{Deserialize, Serialize};

pub use ask::{ahead, resolve};
pub use grants::Grants;
pub use live::Live;
pub use query::Query;
pub use rollback::Former;

/// The kind.
#[derive(Debug)]
pub enum Matviews {}

/// The declared and the live side of materialized views, and of their indexes.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The declared views, ordered by name.
    pub desired: &'a [Declared<Matview>],
    /// The live side.
    pub live: &'a Live,
    /// The indexes; a rebuild of a view drops and creates them.
    pub indexes: index::View<'a>,
}

impl<'a> View<'a> {
    /// The declared view with this name.
    #[must_use]
    pub fn declared(self, name: &QualifiedName) -> Option<&'a Declared<Matview>> {
        let position = self.desired.binary_search_by(|declared| declared.object.name.cmp(name)).ok()?;
        self.desired.get(position)
    }
}

impl Kind for Matviews {
    const NAME: KindName = KindName::new("matview");
    const SHAPE: Shape = Shape::Relation;
    const EXAMPLE: &'static str = "matview/schema.view";
    const READS_DECLARATIONS: bool = true;
    const ROUTINES: &'static [SharedRoutine] = &routine::SHARED;

    type Object = Matview;
    type View<'a> = View<'a>;
    type Former = Former;

    fn plan(context: Context<'_>, view: View<'_>, _ahead: &Projection) -> Part<Matview> {
        decide::plan(context, view)
    }

    fn restore<O>(
        change: &Change<O>,
        before: &Matview,
        _after: Option<&Matview>,
        undoing: &mut Undoing,
        former: &mut Former,
    ) {
        rollback::restore(change, before, undoing, former);
    }

    fn routines(registry: &Ident) -> Vec<Sql> {
        routine::shared(registry)
    }
}

/// The address of a materialized view.
#[must_use]
pub fn address(name: &QualifiedName) -> Address {
    Address::new(Matviews::NAME, name)
}

/// A materialized view. A query from YAML is as written; a query from the catalogs is as the server prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matview {
    /// Its name.
    pub name: QualifiedName,
    /// The query of its rows.
    pub query: Query,
    /// Whether it is filled when it is created.
    #[serde(default = "filled", skip_serializing_if = "Clone::clone")]
    pub with_data: bool,
    /// Storage parameters; `None`: not declared, and so not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Parameters>,
    /// The tablespace; `None`: not declared, or the default of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<Ident>,
    /// The comment; `None`: not declared, or it has none. An empty declaration removes the comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The rights of others than the owner; `None`: not declared, and so not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// When and how it is refreshed; the catalogs do not hold this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// Its indexes, if the change of the view creates or drops them: in plans, not in declarations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
}

/// When and how a materialized view is refreshed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// The cron expression; `None`: only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time zone of the schedule; the default is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether others can read it during a refresh.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub concurrently: bool,
    /// The limit for a refresh, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

fn filled() -> bool {
    true
}

impl Matview {
    /// Its address in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.name)
    }

    /// The cron expression of its refresh.
    #[must_use]
    pub fn schedule(&self) -> Option<&str> {
        self.refresh.as_ref().and_then(|refresh| refresh.schedule.as_deref())
    }

    /// The time zone of its schedule.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.refresh.as_ref().and_then(|refresh| refresh.timezone.as_deref()).unwrap_or("UTC")
    }

    /// The statement that creates it under this name, with or without its rows.
    #[must_use]
    pub fn create_as(&self, name: &QualifiedName, method: Option<&Ident>, with_data: bool) -> Sql {
        let mut sql = Sql::new("CREATE MATERIALIZED VIEW ").name(name);
        if let Some(method) = method {
            sql = sql.raw(" USING ").ident(method);
        }
        if let Some(with) = self.with.as_ref().filter(|with| !with.is_empty()) {
            sql = sql.raw(" WITH ").parameters(with);
        }
        if let Some(tablespace) = &self.tablespace {
            sql = sql.raw(" TABLESPACE ").ident(tablespace);
        }
        let sql = sql.raw(" AS ").parenthesised(self.query.fragment());
        if with_data { sql } else { sql.raw(" WITH NO DATA") }
    }

    /// The statement that sets or removes the comment of the view with this name.
    #[must_use]
    pub fn comment_on(name: &QualifiedName, comment: &str) -> Sql {
        let sql = Sql::new("COMMENT ON MATERIALIZED VIEW ").name(name).raw(" IS ");
        if comment.is_empty() { sql.raw("NULL") } else { sql.literal(comment) }
    }
}

impl Describe for Matview {
    fn lines(&self) -> String {
        let mut text = format!("CREATE MATERIALIZED VIEW {}\n", self.name.quoted());
        if let Some(with) = self.with.as_ref().filter(|with| !with.is_empty()) {
            text.push_str(&format!("  WITH {}\n", Sql::default().parameters(with)));
        }
        if let Some(tablespace) = &self.tablespace {
            text.push_str(&format!("  TABLESPACE {}\n", tablespace.quoted()));
        }
        text.push_str("  AS\n");
        text.extend(self.query.as_str().trim().lines().map(|line| format!("  {}\n", line.trim_end())));
        if let Some(comment) = self.comment.as_ref().filter(|comment| !comment.is_empty()) {
            text.push_str(&format!("  COMMENT {}\n", Sql::default().literal(comment)));
        }
        text.extend(self.grants.as_ref().map(Grants::lines));
        if let Some(refresh) = &self.refresh {
            text.push_str(&format!("  refresh {}\n", refresh.words()));
        }
        text
    }

    fn depends_on_size(&self, action: Action) -> bool {
        // It has none before it is made.
        action != Action::Create
    }

    fn over(mut self, before: &Self) -> Self {
        self.with = self.with.or_else(|| before.with.clone());
        self.comment = self.comment.or_else(|| before.comment.clone());
        self.tablespace = self.tablespace.or_else(|| before.tablespace.clone());
        self
    }

    fn beyond_statements(&self) -> Option<String> {
        self.refresh.as_ref().map(|refresh| format!("refreshed {}", refresh.words()))
    }
}

impl Refresh {
    /// The refresh on one line, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let schedule = self.schedule.as_ref().map(|schedule| format!("at {schedule}"));
        let zone = self.timezone.as_ref().map(|zone| format!("in {zone}"));
        let concurrently = self.concurrently.then(|| "concurrently".to_owned());
        let timeout = self.timeout_ms.map(|ms| format!("within {ms} ms"));
        let words: Vec<_> = [schedule, zone, concurrently, timeout].into_iter().flatten().collect();
        if words.is_empty() { "on request".to_owned() } else { words.join(" ") }
    }
}
