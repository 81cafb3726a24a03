//! The bookkeeping in reconcile's own schema, through sea-orm entities: the managed objects, and the history of runs.
//!
//! This file builds the statements of an apply, and the workers send them. `tables` creates the tables and brings them
//! up to date. `history` reads the history. `run_record` records the results of rules and refreshes, and `archive_file`
//! the files with archived rows. `times` reads which rules and views are due.

pub mod archive_file;
pub mod history;
mod outcome;
pub mod refresh_run;
pub mod resource;
pub mod retention_run;
pub mod run;
pub mod run_record;
pub mod step;
pub mod tables;
pub mod times;

pub use outcome::RunOutcome;
pub(crate) use outcome::StepOutcome;
use reconcile_core::{
    change::Entry,
    kinds,
    plan::{Plan, PlannedChange, Record, Step},
    postgres::{name::Ident, sql::Sql},
};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    ActiveValue::Set,
    EntityTrait, QueryFilter as _, QueryTrait as _,
    sea_query::{Alias, Expr, ExprTrait as _, IntoTableRef as _, OnConflict, PostgresQueryBuilder, Query, TableRef},
    sqlx::Row as _,
};

/// The registry and history of one database.
#[derive(Clone, Debug)]
pub struct Registry {
    schema: Ident,
}

/// The number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub i64);

/// What the history records about a run when it begins.
#[derive(Clone, Debug)]
pub struct Run {
    /// The command, such as `apply`.
    pub command: String,
    /// The run that it rolls back.
    pub reverts: Option<RunId>,
    /// The user name in the operating system.
    pub operator: Option<String>,
    /// The commit of the declared files, if they are in a git checkout.
    pub commit: Option<String>,
}

impl Registry {
    /// The bookkeeping in this schema.
    #[must_use]
    pub fn new(schema: Ident) -> Self {
        Self { schema }
    }

    /// Opens a run.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn begin(&self, session: &mut Session, plan: &Plan, run: &Run) -> Result<RunId, LiveError> {
        match session.row(&self.insert_run(plan, run)?).await? {
            Some(row) => Ok(RunId(row.try_get(0).map_err(LiveError::from)?)),
            None => Err(LiveError::Connection("the server returned no number for the new run".to_owned())),
        }
    }

    /// The plan is written as text, because a tree of JSON values takes ten times as much memory.
    fn insert_run(&self, plan: &Plan, run: &Run) -> Result<String, LiveError> {
        let plan_json = serde_json::to_string(plan).map_err(|error| LiveError::Connection(error.to_string()))?;
        let values = [
            (run::Column::Outcome, Expr::value(RunOutcome::Running.name())),
            (run::Column::Command, Expr::value(run.command.clone())),
            (run::Column::Reverts, Expr::value(run.reverts.map(|run| run.0))),
            (run::Column::Operator, Expr::value(run.operator.clone())),
            (run::Column::Commit, Expr::value(run.commit.clone())),
            (run::Column::Version, Expr::value(plan.reconcile_version.clone())),
            (run::Column::Plan, Expr::value(plan_json).cast_as("jsonb")),
        ];
        let (columns, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let mut insert = Query::insert();
        insert.into_table(self.table("run")).columns(columns).values_panic(values).returning_col(run::Column::Id);
        Ok(insert.to_string(PostgresQueryBuilder))
    }

    /// The statement that records a step as started.
    #[must_use]
    pub fn step_started(&self, run: RunId, position: i32, change: &PlannedChange, step: &Step) -> String {
        let model = step::ActiveModel {
            run: Set(run.0),
            position: Set(position),
            address: Set(change.address.to_string()),
            statement: Set(step.sql.to_string()),
            undo: Set(step.undo.as_ref().map(ToString::to_string)),
            outcome: Set(StepOutcome::Started.name().to_owned()),
            ..Default::default()
        };
        // A retry starts the step again.
        let again = OnConflict::columns([step::Column::Run, step::Column::Position])
            .update_columns([step::Column::Outcome, step::Column::Error])
            .value(step::Column::FinishedAt, Expr::cust("NULL"))
            .value(step::Column::StartedAt, Expr::cust("clock_timestamp()"))
            .to_owned();
        let mut insert = step::Entity::insert(model).on_conflict(again).into_query();
        insert.into_table(self.table("step")).to_string(PostgresQueryBuilder)
    }

    /// The statement that records the end of a step.
    #[must_use]
    pub fn step_ended(&self, run: RunId, position: i32, error: Option<&str>) -> String {
        let outcome = if error.is_none() { StepOutcome::Done } else { StepOutcome::Failed };
        let mut update = step::Entity::update_many()
            .col_expr(step::Column::Outcome, Expr::value(outcome.name()))
            .col_expr(step::Column::Error, Expr::value(error.map(str::to_owned)))
            .col_expr(step::Column::FinishedAt, Expr::cust("clock_timestamp()"))
            .filter(Expr::col(step::Column::Run).eq(run.0))
            .filter(Expr::col(step::Column::Position).eq(position))
            .into_query();
        update.table(self.table("step")).to_string(PostgresQueryBuilder)
    }

    /// The statement that records a finished change in the registry. It reads the catalogs with an empty search path.
    #[must_use]
    pub fn record(&self, run: RunId, record: &Record, search_path: &[Ident]) -> String {
        match record {
            Record::Manage(entry) => self.manage(run, entry, search_path),
            Record::Protect { address, protect } => {
                let declaration =
                    if *protect { r#"declaration || '{"protect": true}'"# } else { "declaration - 'protect'" };
                let mut update = resource::Entity::update_many()
                    .col_expr(resource::Column::Declaration, Expr::cust(declaration))
                    .filter(Expr::col(resource::Column::Address).eq(address.to_string()))
                    .into_query();
                update.table(self.table("resource")).to_string(PostgresQueryBuilder)
            }
            Record::Forget { address } => {
                let mut delete = resource::Entity::delete_many()
                    .filter(Expr::col(resource::Column::Address).eq(address.to_string()))
                    .into_query();
                delete.from_table(self.table("resource")).to_string(PostgresQueryBuilder)
            }
        }
    }

    fn manage(&self, run: RunId, entry: &Entry, search_path: &[Ident]) -> String {
        let Entry { address, declared, definition, declaration, basis, made } = entry;
        let planned = Sql::default().literal(definition.as_str());
        let told = kinds::made(address, declaration, search_path).filter(|_| *made);
        let (definition, basis) = match told {
            Some(told) => {
                let definition = Sql::new("coalesce(").raw_sql(&told.definition).raw(", ").raw_sql(&planned).raw(")");
                (definition, Expr::cust(told.basis.to_string()))
            }
            None => (planned, Expr::val(basis.clone())),
        };
        let object = kinds::relation_made(address).map_or(Sql::new("NULL::int8"), |name| {
            Sql::new("to_regclass(").literal(&name.quoted()).raw(")::oid::int8")
        });
        let relation = address.relation();
        let row = [
            (resource::Column::Address, Expr::val(address.to_string())),
            (resource::Column::RelationSchema, Expr::val(relation.schema.as_str())),
            (resource::Column::RelationName, Expr::val(relation.name.as_str())),
            (resource::Column::Declared, Expr::val(declared.to_string())),
            (resource::Column::Definition, Expr::cust(definition.to_string())),
            (resource::Column::Declaration, Expr::val(declaration.clone())),
            (resource::Column::Basis, basis),
            (resource::Column::Object, Expr::cust(object.to_string())),
            (resource::Column::Run, Expr::val(run.0)),
        ];
        let renew = OnConflict::column(resource::Column::Address)
            .update_columns([
                resource::Column::Declared,
                resource::Column::Definition,
                resource::Column::Declaration,
                resource::Column::Basis,
                resource::Column::Object,
                resource::Column::Run,
            ])
            .to_owned();
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let mut insert = Query::insert();
        insert.into_table(self.table("resource")).columns(columns).values_panic(values).on_conflict(renew);
        insert.to_string(PostgresQueryBuilder)
    }

    /// Closes a run.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn end(&self, session: &mut Session, run: RunId, outcome: RunOutcome) -> Result<(), LiveError> {
        let mut update = run::Entity::update_many()
            .col_expr(run::Column::Outcome, Expr::value(outcome.name()))
            .col_expr(run::Column::FinishedAt, Expr::cust("clock_timestamp()"))
            .filter(Expr::col(run::Column::Id).eq(run.0))
            .into_query();
        session.batch(&update.table(self.table("run")).to_string(PostgresQueryBuilder)).await?;
        Ok(())
    }

    /// The query for the declarations of all applied objects of a kind, as JSON, in the order of addresses.
    #[must_use]
    pub fn declarations(&self, kind: &str) -> String {
        let mut query = resource::Entity::find().into_query();
        query
            .clear_selects()
            .column(Alias::new("declaration"))
            .and_where(Expr::col(resource::Column::Address).like(format!("{kind}/%")))
            .order_by(resource::Column::Address, sea_orm::Order::Asc);
        self.select(&mut query, "resource")
    }

    pub(crate) fn table(&self, name: &'static str) -> TableRef {
        (Alias::new(self.schema.as_str()), Alias::new(name)).into_table_ref()
    }
}

/// A signed number, as the server has it.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
