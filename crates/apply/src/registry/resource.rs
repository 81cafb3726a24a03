//! What reconcile created or adopted, by address.

use sea_orm::entity::prelude::*;

/// One managed object.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub struct Model {
    /// As in plans.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub address: String,
    /// The schema of the relation that carries it.
    #[sea_orm(column_type = "Text")]
    pub relation_schema: String,
    /// That relation.
    #[sea_orm(column_type = "Text")]
    pub relation_name: String,
    /// Digest of the declaration when it was applied.
    #[sea_orm(column_type = "Text")]
    pub declared: String,
    /// Digest of the live definition right after.
    #[sea_orm(column_type = "Text")]
    pub definition: String,
    /// The declaration.
    #[sea_orm(column_type = "JsonBinary")]
    pub declaration: Json,
    /// What the declaration relied on, for kinds whose SQL can change its meaning.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub basis: Option<Json>,
    /// The OID of the relation that the object is, so that it is known again under another name.
    pub object: Option<i64>,
    /// The run that wrote this entry.
    pub run: i64,
    /// When it was written.
    #[sea_orm(default_expr = "Expr::current_timestamp()")]
    pub since: DateTimeWithTimeZone,
}

/// None that the registry needs.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
