//! One statement of a plan, with everything that its execution needs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    hazard::HazardSet,
    postgres::{
        lock::Lock,
        name::{Ident, QualifiedName},
        routine::Routine,
        sql::Sql,
    },
};

/// One statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WrittenStep", into = "WrittenStep")]
pub struct Step {
    /// The statement, without a semicolon.
    pub sql: Sql,
    /// In which transaction it runs, if any.
    pub execution: Execution,
    /// The strongest table lock that it takes.
    pub lock: Option<Lock>,
    /// What it can do to production.
    pub hazards: HazardSet,
    /// How long it may wait and run.
    pub timeouts: Timeouts,
    /// The statement that undoes it, for the reader of a plan and of the history. `rollback` does not run it: it plans
    /// again from the current state (`rollback.rs`).
    pub undo: Option<Sql>,
    /// The index that it creates, if that index stays INVALID until the last step of the change. A change that fails
    /// drops the index.
    pub unfinished: Option<Unfinished>,
}

/// In which transaction a statement runs, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// In a transaction, together with its entry in the history: the entry tells whether the step happened. Steps of
    /// one change with the same number share a transaction; a step without a number has its own.
    Together(Option<u32>),
    /// Outside any transaction, as PostgreSQL requires for this statement. Its effect tells whether the step happened.
    Alone(Effect),
}

impl Step {
    /// A statement that holds its lock only briefly. Others must not queue behind it for long while it waits.
    #[must_use]
    pub fn brief(sql: Sql, lock: Option<Lock>, limits: TimeLimits) -> Self {
        let lock_ms = Some(milliseconds(limits.lock_timeout));
        // The server applies a lock timeout to each lock, and a partitioned table has many locks.
        let statement_ms = lock_ms.filter(|_| lock.is_none_or(Lock::blocks_others));
        Self {
            sql,
            execution: Execution::Together(None),
            lock,
            hazards: HazardSet::new(),
            timeouts: Timeouts { lock_ms, statement_ms },
            undo: None,
            unfinished: None,
        }
    }

    /// A concurrent build or drop: it waits for old transactions, and nobody waits for it.
    #[must_use]
    pub fn online(sql: Sql, limits: TimeLimits) -> Self {
        let statement_ms = Some(milliseconds(limits.build_timeout));
        let step = Self::brief(sql, Some(Lock::ShareUpdateExclusiveLock), limits);
        Self { timeouts: Timeouts { lock_ms: None, statement_ms }, ..step }
    }

    /// The statement that creates or replaces a routine.
    #[must_use]
    pub fn of_routine(routine: &Routine, limits: TimeLimits) -> Self {
        Self { undo: Some(routine.drop()), ..Self::brief(routine.create(), None, limits) }
    }

    /// The same step in a shared transaction, identified by its number.
    #[must_use]
    pub fn together(self, transaction: u32) -> Self {
        Self { execution: Execution::Together(Some(transaction)), ..self }
    }

    /// The same step outside any transaction.
    #[must_use]
    pub fn alone(self, effect: Effect) -> Self {
        Self { execution: Execution::Alone(effect), ..self }
    }

    /// The number of the transaction that it shares with other steps; `None` if it shares none.
    #[must_use]
    pub fn transaction(&self) -> Option<u32> {
        match self.execution {
            Execution::Together(number) => number,
            Execution::Alone(_) => None,
        }
    }

    /// Its effect, if the step runs outside any transaction.
    #[must_use]
    pub fn effect(&self) -> Option<&Effect> {
        match &self.execution {
            Execution::Together(_) => None,
            Execution::Alone(effect) => Some(effect),
        }
    }

    /// The relation and the index that it creates.
    #[must_use]
    pub fn makes(&self) -> Option<(&QualifiedName, &QualifiedName)> {
        match (self.effect(), &self.unfinished) {
            (Some(Effect::IndexValid { table, index }), _) => Some((table, index)),
            (_, Some(unfinished)) => Some((&unfinished.table, &unfinished.index)),
            (Some(Effect::IndexRebuilt { .. } | Effect::IndexGone { .. }) | None, None) => None,
        }
    }
}

/// A step in the JSON of plans.
#[derive(Serialize, Deserialize)]
struct WrittenStep {
    sql: Sql,
    transaction: Option<u32>,
    lock: Option<Lock>,
    hazards: HazardSet,
    timeouts: Timeouts,
    undo: Option<Sql>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effect: Option<Effect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfinished: Option<Unfinished>,
}

impl From<Step> for WrittenStep {
    fn from(step: Step) -> Self {
        let Step { sql, execution, lock, hazards, timeouts, undo, unfinished } = step;
        let (transaction, effect) = match execution {
            Execution::Together(number) => (number, None),
            Execution::Alone(effect) => (None, Some(effect)),
        };
        Self { sql, transaction, lock, hazards, timeouts, undo, effect, unfinished }
    }
}

impl TryFrom<WrittenStep> for Step {
    type Error = &'static str;

    fn try_from(written: WrittenStep) -> Result<Self, Self::Error> {
        let WrittenStep { sql, transaction, lock, hazards, timeouts, undo, effect, unfinished } = written;
        let execution = match (transaction, effect) {
            (Some(_), Some(_)) => return Err("a step has both a `transaction` and an `effect`"),
            (number, None) => Execution::Together(number),
            (None, Some(effect)) => Execution::Alone(effect),
        };
        Ok(Self { sql, execution, lock, hazards, timeouts, undo, unfinished })
    }
}

/// An index whose parts are not attached yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The relation of the index.
    pub table: QualifiedName,
    /// The index.
    pub index: QualifiedName,
}

/// The effect of a statement outside any transaction. It can be looked up if the end of the statement is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The index exists and is valid. An interrupted build leaves it INVALID.
    IndexValid {
        /// The relation of the index.
        table: QualifiedName,
        /// The index.
        index: QualifiedName,
    },
    /// The index was there INVALID, is built again and can be used. An interrupted build leaves it as it was.
    IndexRebuilt {
        /// What carries it.
        table: QualifiedName,
        /// The index.
        index: QualifiedName,
    },
    /// No index has this name. An interrupted drop leaves it INVALID.
    IndexGone {
        /// The relation that had the index.
        table: QualifiedName,
        /// The index.
        index: QualifiedName,
    },
}

impl Effect {
    /// The query that tells whether the effect is there: one row with one boolean.
    #[must_use]
    pub fn came_about(&self) -> Sql {
        match self {
            Self::IndexValid { index, .. } | Self::IndexRebuilt { index, .. } => {
                Sql::new("SELECT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass(")
                    .literal(&index.quoted())
                    .raw(") AND i.indisvalid)")
            }
            Self::IndexGone { index, .. } => Sql::new("SELECT to_regclass(").literal(&index.quoted()).raw(") IS NULL"),
        }
    }

    /// The relation of the index.
    #[must_use]
    pub fn table(&self) -> &QualifiedName {
        match self {
            Self::IndexValid { table, .. } | Self::IndexRebuilt { table, .. } | Self::IndexGone { table, .. } => table,
        }
    }

    /// The index that a failed build leaves INVALID and that has to be dropped at once.
    #[must_use]
    pub fn remnant(&self) -> Option<&QualifiedName> {
        match self {
            Self::IndexValid { index, .. } => Some(index),
            Self::IndexRebuilt { .. } | Self::IndexGone { .. } => None,
        }
    }
}

/// How long a statement may wait and run. `None`: without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// The limit for each lock, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_ms: Option<u64>,
    /// The limit for the statement, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_ms: Option<u64>,
}

/// The limits that a project sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// The lock timeout of statements that others would queue behind.
    pub lock_timeout: Duration,
    /// The limit of concurrent builds and drops, which nobody waits for.
    pub build_timeout: Duration,
}

/// The session settings that the steps depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// The search path, for names without a schema in expressions.
    pub search_path: Vec<Ident>,
    /// The schema of the registry and the history.
    pub registry_schema: Ident,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
