//! The bookkeeping in reconcile's own schema, through sea-orm entities: what is managed, what was run.
//! The statements are built here and sent on the one connection that applies.

pub mod resource;
pub mod run;
pub mod step;

use reconcile_core::{
    name::Ident,
    plan::{Plan, PlannedChange, Record, Step},
    sql::Sql,
};
use reconcile_live::{LiveError, Session};
use sea_orm::{
    ActiveValue::Set,
    DbBackend, EntityTrait, QueryFilter as _, QueryTrait as _, Schema,
    sea_query::{Alias, Expr, ExprTrait as _, IntoTableRef as _, OnConflict, PostgresQueryBuilder, TableRef},
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

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// The server refused a statement.
    Failed,
    /// It was stopped or blocked, and can go on.
    Incomplete,
}

impl Outcome {
    /// As the history has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

impl Registry {
    /// In this schema.
    #[must_use]
    pub fn new(schema: Ident) -> Self {
        Self { schema }
    }

    /// Creates schema and tables where they are missing.
    ///
    /// # Errors
    /// The role may not create them, or the connection fails.
    pub async fn ensure(&self, session: &mut Session) -> Result<(), LiveError> {
        let schema = Schema::new(DbBackend::Postgres);
        let create = |entity: &mut sea_orm::sea_query::TableCreateStatement, name: &'static str| {
            entity.table(self.table(name)).if_not_exists().to_string(PostgresQueryBuilder)
        };
        let statements = [
            Sql::new("CREATE SCHEMA IF NOT EXISTS ").ident(&self.schema).to_string(),
            create(&mut schema.create_table_from_entity(run::Entity), "run"),
            create(&mut schema.create_table_from_entity(step::Entity), "step"),
            create(&mut schema.create_table_from_entity(resource::Entity), "resource"),
            // What is managed is as public as the catalogs that show it, and a plan's role must see it.
            Sql::new("GRANT USAGE ON SCHEMA ").ident(&self.schema).raw(" TO PUBLIC").to_string(),
            Sql::new("GRANT SELECT ON ").ident(&self.schema).raw(".resource TO PUBLIC").to_string(),
        ];
        session.batch(&format!("BEGIN; {}; COMMIT", statements.join("; "))).await?;
        Ok(())
    }

    /// Opens a run.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn begin(&self, session: &mut Session, plan: &Plan, commit: Option<String>) -> Result<RunId, LiveError> {
        let plan_json = serde_json::to_value(plan).map_err(|error| LiveError::Connection(error.to_string()))?;
        let model = run::ActiveModel {
            outcome: Set("running".to_owned()),
            commit: Set(commit),
            version: Set(plan.reconcile_version.clone()),
            plan: Set(plan_json),
            ..Default::default()
        };
        let mut insert = run::Entity::insert(model).into_query();
        let sql = insert.into_table(self.table("run")).returning_col(run::Column::Id).to_string(PostgresQueryBuilder);
        let results = session.batch(&sql).await?;
        match results.first().and_then(|rows| rows.first()) {
            Some(row) => Ok(RunId(row.try_get(0).map_err(LiveError::from)?)),
            None => Err(LiveError::Connection("the new run has no number".to_owned())),
        }
    }

    /// The statement that notes a step as started.
    #[must_use]
    pub fn step_started(&self, run: RunId, position: i32, change: &PlannedChange, step: &Step) -> String {
        let model = step::ActiveModel {
            run: Set(run.0),
            position: Set(position),
            address: Set(change.address.to_string()),
            statement: Set(step.sql.to_string()),
            undo: Set(step.undo.as_ref().map(ToString::to_string)),
            outcome: Set("started".to_owned()),
            ..Default::default()
        };
        // A step that is tried again starts again.
        let again = OnConflict::columns([step::Column::Run, step::Column::Position])
            .update_columns([step::Column::Outcome, step::Column::Error])
            .to_owned();
        let mut insert = step::Entity::insert(model).on_conflict(again).into_query();
        insert.into_table(self.table("step")).to_string(PostgresQueryBuilder)
    }

    /// The statement that notes how a step ended.
    #[must_use]
    pub fn step_ended(&self, run: RunId, position: i32, error: Option<&str>) -> String {
        let mut update = step::Entity::update_many()
            .col_expr(step::Column::Outcome, Expr::value(if error.is_none() { "done" } else { "failed" }))
            .col_expr(step::Column::Error, Expr::value(error.map(str::to_owned)))
            .col_expr(step::Column::FinishedAt, Expr::cust("clock_timestamp()"))
            .filter(Expr::col(step::Column::Run).eq(run.0))
            .filter(Expr::col(step::Column::Position).eq(position))
            .into_query();
        update.table(self.table("step")).to_string(PostgresQueryBuilder)
    }

    /// The statements that bring the registry up to a finished change.
    #[must_use]
    pub fn record(&self, run: RunId, record: &Record) -> String {
        match record {
            Record::Manage { address, declared, definition, declaration } => {
                let relation = address.table();
                let model = resource::ActiveModel {
                    address: Set(address.to_string()),
                    relation_schema: Set(relation.schema.as_str().to_owned()),
                    relation_name: Set(relation.name.as_str().to_owned()),
                    declared: Set(declared.to_string()),
                    definition: Set(definition.to_string()),
                    declaration: Set(serde_json::json!(declaration)),
                    run: Set(run.0),
                    ..Default::default()
                };
                let renew = OnConflict::column(resource::Column::Address)
                    .update_columns([
                        resource::Column::Declared,
                        resource::Column::Definition,
                        resource::Column::Declaration,
                        resource::Column::Run,
                    ])
                    .to_owned();
                let mut insert = resource::Entity::insert(model).on_conflict(renew).into_query();
                insert.into_table(self.table("resource")).to_string(PostgresQueryBuilder)
            }
            Record::Forget { address } => {
                let mut delete = resource::Entity::delete_many()
                    .filter(Expr::col(resource::Column::Address).eq(address.to_string()))
                    .into_query();
                delete.from_table(self.table("resource")).to_string(PostgresQueryBuilder)
            }
        }
    }

    /// Closes a run.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn end(&self, session: &mut Session, run: RunId, outcome: Outcome) -> Result<(), LiveError> {
        let mut update = run::Entity::update_many()
            .col_expr(run::Column::Outcome, Expr::value(outcome.name()))
            .col_expr(run::Column::FinishedAt, Expr::cust("clock_timestamp()"))
            .filter(Expr::col(run::Column::Id).eq(run.0))
            .into_query();
        session.batch(&update.table(self.table("run")).to_string(PostgresQueryBuilder)).await?;
        Ok(())
    }

    fn table(&self, name: &'static str) -> TableRef {
        (Alias::new(self.schema.as_str()), Alias::new(name)).into_table_ref()
    }
}
