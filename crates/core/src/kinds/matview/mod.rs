//! A materialized view: what it is, on both sides of the comparison. Its query is in `query`, how it is written in YAML
//! in `spec`, how it is read from the catalogs in `catalog`, which one comes first in `order`, what becomes of it in
//! `decide`, and what that executes in `steps`; who may do what with it, in `grants`; what refreshes it inside the database,
//! in `routine`. Indexes on it are indexes like any other, but where it is made anew.

mod ask;
pub mod canonical;
pub mod catalog;
pub mod compare;
pub mod decide;
pub mod dependents;
pub mod grant_diff;
pub mod grants;
pub mod group;
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

/// Both sides of the materialized views, and of the indexes on them.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is declared, in the order of names.
    pub desired: &'a [Declared<Matview>],
    /// What is live.
    pub live: &'a Live,
    /// The indexes: they come and go with a view that is made anew.
    pub indexes: index::View<'a>,
}

impl<'a> View<'a> {
    /// The declared view of a name.
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

/// A materialized view. From YAML its query is as written; from the catalogs it is as the server prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matview {
    /// Its name.
    pub name: QualifiedName,
    /// What it holds the rows of.
    pub query: Query,
    /// Whether it is filled when it is made.
    #[serde(default = "filled", skip_serializing_if = "Clone::clone")]
    pub with_data: bool,
    /// Storage parameters; `None` where they are not declared, and then not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Parameters>,
    /// `None`: not declared, or the database's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<Ident>,
    /// `None`: not declared, or there is none. Declared as empty: there shall be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Who may do what with it, but for its owner; `None` where that is not declared, and then not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<Grants>,
    /// When and how its rows are brought up to date; the database has no place for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// Its indexes, where they come and go with it: in plans, not in declarations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
}

/// When and how the rows of a materialized view are brought up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refresh {
    /// When, as cron writes it; `None`: only where somebody asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Of the schedule; UTC where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// While others read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub concurrently: bool,
    /// The longest that it may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

fn filled() -> bool {
    true
}

impl Matview {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.name)
    }

    /// When it is to be brought up to date, as cron writes it.
    #[must_use]
    pub fn schedule(&self) -> Option<&str> {
        self.refresh.as_ref().and_then(|refresh| refresh.schedule.as_deref())
    }

    /// The time zone of its schedule.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.refresh.as_ref().and_then(|refresh| refresh.timezone.as_deref()).unwrap_or("UTC")
    }

    /// The statement that makes it under some name, with its rows or without.
    #[must_use]
    pub fn create_as(&self, name: &QualifiedName, with_data: bool) -> Sql {
        let mut sql = Sql::new("CREATE MATERIALIZED VIEW ").name(name);
        if let Some(with) = self.with.as_ref().filter(|with| !with.is_empty()) {
            sql = sql.raw(" WITH ").parameters(with);
        }
        if let Some(tablespace) = &self.tablespace {
            sql = sql.raw(" TABLESPACE ").ident(tablespace);
        }
        let sql = sql.raw(" AS ").parenthesised(self.query.fragment());
        if with_data { sql } else { sql.raw(" WITH NO DATA") }
    }

    /// The statement that sets or removes the comment of the view of some name.
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
    /// For people, on one line.
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
