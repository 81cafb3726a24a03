//! A retention rule: which rows of a table may go, and what becomes of them. It is no object of the catalogs; its live
//! side is the registry's entry, so that only what was applied ever deletes. How it is written in YAML is in `spec`,
//! the statements that move rows are in `batch`.

pub mod batch;
pub mod catalog;
pub mod check;
pub mod clock;
pub mod decide;
pub mod hooks;
pub mod lines;
pub mod live;
pub mod preflight;
pub mod proof;
pub mod range;
pub mod read;
pub mod routine;
pub mod rule_tables;
pub mod spec;

use crate::{
    address::{Address, KindName, Shape},
    change::{self, Change},
    declared::Declared,
    kind::{Context, Describe, Kind, Part, Projection, Undoing},
    kinds::matview,
    postgres::{
        fragment::Fragment,
        name::{Ident, QualifiedName},
        period::Period,
        routine::SharedRoutine,
        sql::Sql,
    },
};
use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use clock::{Clock, CutOff};
pub use live::Live;

/// The kind.
#[derive(Debug)]
pub enum Rules {}

/// Both sides of the rules, and of the views that are refreshed before rows go.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is declared, in the order of tables.
    pub desired: &'a [Declared<Rule>],
    /// What is live.
    pub live: &'a Live,
    /// The materialized views.
    pub views: matview::View<'a>,
}

impl<'a> View<'a> {
    /// The declared rule of a table.
    #[must_use]
    pub fn declared(self, table: &QualifiedName) -> Option<&'a Declared<Rule>> {
        let position = self.desired.binary_search_by(|declared| declared.object.table.cmp(table)).ok()?;
        self.desired.get(position)
    }
}

impl Kind for Rules {
    const NAME: KindName = KindName::new("retention");
    const SHAPE: Shape = Shape::Relation;
    const EXAMPLE: &'static str = "retention/schema.table";
    const READS_DECLARATIONS: bool = true;
    const ROUTINES: &'static [SharedRoutine] = &routine::SHARED;

    type Object = Rule;
    type View<'a> = View<'a>;
    type Former = Vec<Rule>;

    fn plan(context: Context<'_>, view: View<'_>, _ahead: &Projection) -> Part<Rule> {
        decide::plan(context, view)
    }

    fn restore<O>(_: &Change<O>, before: &Rule, _: Option<&Rule>, undoing: &mut Undoing, former: &mut Vec<Rule>) {
        undoing.touched.insert(before.address());
        former.push(before.clone());
    }

    fn lasting<O>(change: &Change<O>) -> Option<&'static str> {
        // What a step cannot take back is the archive.
        let lasting = change.action == change::Action::Create && change.steps.iter().any(|step| step.undo.is_none());
        lasting.then_some("its archive stays, with the rows in it")
    }

    fn routines(registry: &Ident) -> Vec<Sql> {
        routine::shared(registry)
    }
}

/// The address of a retention rule.
#[must_use]
pub fn address(table: &QualifiedName) -> Address {
    Address::new(Rules::NAME, table)
}

/// A rule, in canonical form: defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The table whose rows it is about.
    pub table: QualifiedName,
    /// The date or timestamp that tells a row's age.
    pub column: Ident,
    /// Rows older than this may go.
    pub retain_for: Period,
    /// Where the calendar is read. `None`: UTC, and not for `timestamp without time zone`, which means nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What becomes of the rows.
    pub action: Action,
    /// Only rows for which this is true may go.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Fragment>,
    /// Tables whose rows go with the row that they point at, before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Child>,
    /// How much at a time.
    pub batch: Batch,
    /// What a run must not exceed.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Whether the tables are vacuumed and analysed after rows went.
    pub vacuum: bool,
    /// When it runs, as cron writes it; `None`: only when asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Materialized views that are refreshed before rows go; none of them goes where one cannot be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_refresh: Vec<QualifiedName>,
}

/// What becomes of rows that are past their time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// They are deleted.
    Delete,
    /// They are moved to another table.
    Archive(QualifiedName),
    /// They are written to compressed files in this folder, and then deleted.
    ArchiveFiles(String),
}

/// A table whose rows point at the rule's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The table.
    pub table: QualifiedName,
    /// Its column that points at the rule's table.
    pub foreign_key: Ident,
}

/// How much goes at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The most rows that one transaction takes.
    pub rows: u32,
    /// Milliseconds that a transaction should take; batches grow and shrink towards it.
    pub target_ms: u64,
    /// Milliseconds between two batches.
    pub sleep_ms: u64,
    /// Milliseconds that a replica may be behind before a run waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lag_ms: Option<u64>,
    /// Milliseconds after which a run ends, and the next one goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime_ms: Option<u64>,
}

impl Default for Batch {
    fn default() -> Self {
        // Some 15 ms on a quick machine: what each transaction costs beside its rows is little then, and whoever wants one
        // of its rows hardly notices. On slow ones the target in time makes them smaller.
        Self { rows: 20_000, target_ms: 100, sleep_ms: 0, max_lag_ms: None, max_runtime_ms: None }
    }
}

impl Batch {
    /// Between two batches.
    #[must_use]
    pub fn sleep(&self) -> Duration {
        Duration::from_millis(self.sleep_ms)
    }
}

/// What a run must not exceed; it refuses before the first row goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Rows of the rule's table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// Of the rule's table, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fraction: Option<f64>,
}

// Never NaN: the YAML's value is checked to lie between 0 and 1.
impl Eq for Limits {}

impl Limits {
    fn is_none(&self) -> bool {
        self.max_rows.is_none() && self.max_fraction.is_none()
    }
}

impl Rule {
    /// As in plans, flags and the registry.
    #[must_use]
    pub fn address(&self) -> Address {
        address(&self.table)
    }

    /// Where its rows are archived, if that is a table.
    #[must_use]
    pub fn archive(&self) -> Option<&QualifiedName> {
        match &self.action {
            Action::Archive(archive) => Some(archive),
            Action::Delete | Action::ArchiveFiles(_) => None,
        }
    }

    /// Where its rows are archived, if that is a folder: as it was declared.
    #[must_use]
    pub fn folder(&self) -> Option<&str> {
        match &self.action {
            Action::ArchiveFiles(folder) => Some(folder),
            Action::Delete | Action::Archive(_) => None,
        }
    }

    /// Every table that it names.
    #[must_use]
    pub fn tables(&self) -> Vec<&QualifiedName> {
        let children = self.children.iter().map(|child| &child.table);
        std::iter::once(&self.table).chain(children).chain(self.archive()).collect()
    }

    /// What a run prints and records for the rule's own table: `DELETE (>30 days)`.
    #[must_use]
    pub fn label(&self) -> String {
        self.action.label(&self.retain_for)
    }

    /// What a run prints and records for its children: they are deleted, whatever becomes of the rule's own rows.
    #[must_use]
    pub fn child_label(&self) -> String {
        Action::Delete.label(&self.retain_for)
    }

    /// The time zone in which the calendar is read.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.timezone.as_deref().unwrap_or("UTC")
    }
}

impl Describe for Rule {
    fn lines(&self) -> String {
        let mut lines = vec![
            format!("rows of {} by {}", self.table, self.column),
            format!("  older than {}", self.retain_for),
            format!("  {}", self.action),
        ];
        if let Some(timezone) = &self.timezone {
            lines.push(format!("  in time zone {timezone}"));
        }
        if let Some(predicate) = &self.predicate {
            lines.push(format!("  where {}", predicate.as_str()));
        }
        for child in &self.children {
            lines.push(format!("  with rows of {} by {}", child.table, child.foreign_key));
        }
        lines.extend(self.after_refresh.iter().map(|view| format!("  after a refresh of {view}")));
        lines.push(format!("  batches of at most {} rows, {} ms each", self.batch.rows, self.batch.target_ms));
        for (name, ms) in [
            ("sleep", Some(self.batch.sleep_ms).filter(|ms| *ms > 0)),
            ("replicas at most behind", self.batch.max_lag_ms),
            ("a run at most", self.batch.max_runtime_ms),
        ] {
            lines.extend(ms.map(|ms| format!("  {name} {ms} ms")));
        }
        lines.extend(self.limits.max_rows.map(|rows| format!("  never more than {rows} rows in a run")));
        lines.extend(self.limits.max_fraction.map(|part| format!("  never more than {part} of the table in a run")));
        lines.push(if self.vacuum { "  then vacuum and analyse".to_owned() } else { "  no vacuum".to_owned() });
        lines.extend(self.schedule.as_ref().map(|schedule| format!("  at {schedule}")));
        lines.join("\n") + "\n"
    }

    fn depends_on_size(&self, action: change::Action) -> bool {
        // The end of a rule deletes nothing.
        !matches!(action, change::Action::Drop | change::Action::Forget)
    }

    fn is_shown_when_new(&self) -> bool {
        true
    }
}

impl Action {
    /// What a run prints and records.
    #[must_use]
    pub fn label(&self, retain_for: &Period) -> String {
        match self {
            Self::Delete => format!("DELETE (>{retain_for})"),
            Self::Archive(_) | Self::ArchiveFiles(_) => format!("ARCHIVE (>{retain_for})"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete => f.write_str("delete"),
            Self::Archive(table) => write!(f, "archive to {table}"),
            Self::ArchiveFiles(folder) => write!(f, "archive to files in {folder}"),
        }
    }
}
