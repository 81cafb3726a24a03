//! The objects that reconcile created or adopted, by address.

use sea_orm::entity::prelude::*;

/// One managed object.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub struct Model {
    /// The address, as in plans.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub address: String,
    /// The schema of the relation that it belongs to.
    #[sea_orm(column_type = "Text")]
    pub relation_schema: String,
    /// The name of that relation.
    #[sea_orm(column_type = "Text")]
    pub relation_name: String,
    /// Digest of the declaration when it was applied.
    #[sea_orm(column_type = "Text")]
    pub declared: String,
    /// Digest of the live definition right after the apply.
    #[sea_orm(column_type = "Text")]
    pub definition: String,
    /// The declaration.
    #[sea_orm(column_type = "JsonBinary")]
    pub declaration: Json,
    /// What the declaration relied on, for kinds whose SQL can change its meaning.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub basis: Option<Json>,
    /// The OID of the object, if it is a relation. By this it is recognised under another name.
    pub object: Option<i64>,
    /// The run that wrote this entry.
    pub run: i64,
    /// When it was written.
    #[sea_orm(default_expr = "Expr::current_timestamp()")]
    pub since: DateTimeWithTimeZone,
}

/// The registry needs no relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
