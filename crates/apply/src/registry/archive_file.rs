//! The files that rows were archived to. The description of a file commits together with the delete of the rows in it,
//! so an entry is true even if the writer of its file was killed. An entry is written before its file.

use reconcile_live::{LiveError, Session};
use sea_orm::{
    ActiveValue::Set,
    QueryOrder as _, QueryTrait as _,
    entity::prelude::*,
    sea_query::{ExprTrait as _, PostgresQueryBuilder},
    sqlx::{self, Row as _, postgres::PgRow},
};

use super::{Registry, signed};

/// One file.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "archive_file")]
pub struct Model {
    /// Increases with each file.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The run that wrote it, as in `retention_run`.
    pub run: i64,
    /// The table of the rule.
    #[sea_orm(column_type = "Text")]
    pub rule: String,
    /// The folder, as in the rule.
    #[sea_orm(column_type = "Text")]
    pub folder: String,
    /// Its name in the folder.
    #[sea_orm(column_type = "Text")]
    pub file: String,
    /// Name and type of each column.
    #[sea_orm(column_type = "JsonBinary")]
    pub columns: Json,
    /// Rows in it that are deleted from the table.
    #[sea_orm(default_value = "0")]
    pub rows: i64,
    /// Bytes with these rows. Bytes behind them do not count.
    #[sea_orm(default_value = "0")]
    pub bytes: i64,
    /// The digest of these bytes, in hexadecimal digits.
    #[sea_orm(column_type = "Text", default_value = "")]
    pub sha256: String,
    /// The lowest value of the rule's column in these rows.
    #[sea_orm(column_type = "Text", nullable)]
    pub low: Option<String>,
    /// The highest value.
    #[sea_orm(column_type = "Text", nullable)]
    pub high: Option<String>,
    /// Its last modification, in nanoseconds since 1970, by its file system. Empty while the file is being written, and
    /// if its writer was killed.
    pub sealed: Option<i64>,
}

/// The records need no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A new entry, for a file that is about to be created.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a> {
    /// The number of the run.
    pub run: i64,
    /// The table of the rule.
    pub rule: &'a str,
    /// The folder, as in the rule.
    pub folder: &'a str,
    /// Its name in the folder.
    pub file: &'a str,
    /// Name and type of each column.
    pub columns: &'a Json,
}

/// The description of a file's content.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Rows.
    pub rows: u64,
    /// Bytes with these rows.
    pub bytes: u64,
    /// The digest of these bytes.
    pub sha256: &'a str,
    /// The lowest value of the rule's column.
    pub low: Option<&'a str>,
    /// The highest value.
    pub high: Option<&'a str>,
}

impl Registry {
    /// The statement that adds an entry, and returns its number.
    #[must_use]
    pub fn archive_file_begun(&self, begun: &Begun<'_>) -> String {
        let model = ActiveModel {
            run: Set(begun.run),
            rule: Set(begun.rule.to_owned()),
            folder: Set(begun.folder.to_owned()),
            file: Set(begun.file.to_owned()),
            columns: Set(begun.columns.clone()),
            ..Default::default()
        };
        let mut insert = Entity::insert(model).into_query();
        insert.into_table(self.table("archive_file")).returning_col(Column::Id).to_string(PostgresQueryBuilder)
    }

    /// The statement that records the content of a file.
    #[must_use]
    pub fn archive_file_holds(&self, id: i64, content: &Content<'_>) -> String {
        let text = |text: Option<&str>| Expr::value(text.map(str::to_owned));
        let mut update = Entity::update_many()
            .col_expr(Column::Rows, Expr::value(signed(content.rows)))
            .col_expr(Column::Bytes, Expr::value(signed(content.bytes)))
            .col_expr(Column::Sha256, Expr::value(content.sha256))
            .col_expr(Column::Low, text(content.low))
            .col_expr(Column::High, text(content.high))
            .filter(Expr::col(Column::Id).eq(id))
            .into_query();
        update.table(self.table("archive_file")).to_string(PostgresQueryBuilder)
    }

    /// The statement that records a file as complete, with the time of its last modification.
    #[must_use]
    pub fn archive_file_sealed(&self, id: i64, modified: i64) -> String {
        let mut update = Entity::update_many()
            .col_expr(Column::Sealed, Expr::value(modified))
            .filter(Expr::col(Column::Id).eq(id))
            .into_query();
        update.table(self.table("archive_file")).to_string(PostgresQueryBuilder)
    }

    /// The statement that deletes the entry of a file that has never had any content.
    #[must_use]
    pub fn archive_file_unused(&self, id: i64) -> String {
        let mut delete = Entity::delete_many().filter(Expr::col(Column::Id).eq(id)).into_query();
        delete.from_table(self.table("archive_file")).to_string(PostgresQueryBuilder)
    }

    /// The files of a rule, oldest first.
    ///
    /// # Errors
    /// The connection or the server fails.
    pub async fn archive_files(&self, session: &mut Session, rule: &str) -> Result<Vec<Model>, LiveError> {
        let mut query =
            Entity::find().filter(Expr::col(Column::Rule).eq(rule)).order_by_asc(Expr::col(Column::Id)).into_query();
        let rows = session.batch(&self.select(&mut query, "archive_file")).await?;
        rows.iter().flatten().map(|row| model(row).map_err(LiveError::from)).collect()
    }
}

/// Reads a row with the columns in the order of the entity.
fn model(row: &PgRow) -> Result<Model, sqlx::Error> {
    Ok(Model {
        id: row.try_get(0)?,
        run: row.try_get(1)?,
        rule: row.try_get(2)?,
        folder: row.try_get(3)?,
        file: row.try_get(4)?,
        columns: row.try_get(5)?,
        rows: row.try_get(6)?,
        bytes: row.try_get(7)?,
        sha256: row.try_get(8)?,
        low: row.try_get(9)?,
        high: row.try_get(10)?,
        sealed: row.try_get(11)?,
    })
}
