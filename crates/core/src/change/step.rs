//! One statement of a plan, with all that its execution needs to know.

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
    /// Within which transaction it runs, if any.
    pub execution: Execution,
    /// The strongest table lock that it takes.
    pub lock: Option<Lock>,
    /// What it can do to production.
    pub hazards: HazardSet,
    /// How long it may wait and run.
    pub timeouts: Timeouts,
    /// The statement that takes it back. It is for the reader of a plan and of the history: `rollback` plans anew, from
    /// what is there by then (`rollback.rs`).
    pub undo: Option<Sql>,
    /// The index that it makes and that stays INVALID until the last step of its change. A change that fails drops it
    /// again.
    pub unfinished: Option<Unfinished>,
}

/// Within which transaction a statement runs, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// In a transaction, which its entry in the history is part of: the entry tells whether the step happened. Steps of
    /// one change with the same number share a transaction; without a number, the step has its own.
    Together(Option<u32>),
    /// Outside any transaction, as PostgreSQL demands for this statement. Its effect tells whether it happened.
    Alone(Effect),
}

impl Step {
    /// A statement that takes its lock for an instant, and must not make others queue while it waits.
    #[must_use]
    pub fn brief(sql: Sql, lock: Option<Lock>, limits: TimeLimits) -> Self {
        let lock_ms = Some(milliseconds(limits.lock_timeout));
        // A lock timeout counts for each lock anew, and a partitioned table has many.
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

    /// The statement that makes a routine what it should be.
    #[must_use]
    pub fn of_routine(routine: &Routine, limits: TimeLimits) -> Self {
        Self { undo: Some(routine.drop()), ..Self::brief(routine.create(), None, limits) }
    }

    /// The same step in a transaction that it shares, by its number.
    #[must_use]
    pub fn together(self, transaction: u32) -> Self {
        Self { execution: Execution::Together(Some(transaction)), ..self }
    }

    /// The same step outside any transaction.
    #[must_use]
    pub fn alone(self, effect: Effect) -> Self {
        Self { execution: Execution::Alone(effect), ..self }
    }

    /// The number of the transaction that it shares with other steps.
    #[must_use]
    pub fn transaction(&self) -> Option<u32> {
        match self.execution {
            Execution::Together(number) => number,
            Execution::Alone(_) => None,
        }
    }

    /// What it leads to, if no transaction can hold it.
    #[must_use]
    pub fn effect(&self) -> Option<&Effect> {
        match &self.execution {
            Execution::Together(_) => None,
            Execution::Alone(effect) => Some(effect),
        }
    }

    /// The index that it makes, and the relation of that index.
    #[must_use]
    pub fn makes(&self) -> Option<(&QualifiedName, &QualifiedName)> {
        match (self.effect(), &self.unfinished) {
            (Some(Effect::IndexValid { table, index }), _) => Some((table, index)),
            (_, Some(unfinished)) => Some((&unfinished.table, &unfinished.index)),
            (Some(Effect::IndexGone { .. }) | None, None) => None,
        }
    }
}

/// A step as plans have it in JSON.
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

/// An index that waits for its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// What carries it.
    pub table: QualifiedName,
    /// The index.
    pub index: QualifiedName,
}

/// What a statement outside any transaction leads to, so that it can be looked up where nobody saw its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The index is there and can be used. An interrupted build leaves it INVALID.
    IndexValid {
        /// What carries it.
        table: QualifiedName,
        /// The index.
        index: QualifiedName,
    },
    /// No index has this name any more. An interrupted drop leaves it INVALID.
    IndexGone {
        /// What carried it.
        table: QualifiedName,
        /// The index.
        index: QualifiedName,
    },
}

impl Effect {
    /// The query that tells whether it came about: one row with one boolean.
    #[must_use]
    pub fn came_about(&self) -> Sql {
        match self {
            Self::IndexValid { index, .. } => {
                Sql::new("SELECT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass(")
                    .literal(&index.quoted())
                    .raw(") AND i.indisvalid)")
            }
            Self::IndexGone { index, .. } => Sql::new("SELECT to_regclass(").literal(&index.quoted()).raw(") IS NULL"),
        }
    }

    /// What carries the index.
    #[must_use]
    pub fn table(&self) -> &QualifiedName {
        match self {
            Self::IndexValid { table, .. } | Self::IndexGone { table, .. } => table,
        }
    }

    /// The index that a failure leaves INVALID and that nothing needs: to be dropped at once.
    #[must_use]
    pub fn remnant(&self) -> Option<&QualifiedName> {
        match self {
            Self::IndexValid { index, .. } => Some(index),
            Self::IndexGone { .. } => None,
        }
    }
}

/// How long a statement may wait and run. `None`: as long as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// Milliseconds for each lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_ms: Option<u64>,
    /// Milliseconds for the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_ms: Option<u64>,
}

/// The waiting times that a project allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For statements that others would queue behind.
    pub lock_timeout: Duration,
    /// For concurrent builds and drops, which nobody waits for.
    pub build_timeout: Duration,
}

/// How a session must be set up for the steps to mean what they say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSettings {
    /// For names without a schema inside expressions.
    pub search_path: Vec<Ident>,
    /// Where registry and history live.
    pub registry_schema: Ident,
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
