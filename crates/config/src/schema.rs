//! The JSON Schema of the files, generated from their types, for editors and for `check`.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::shape::FileSpec;

/// The JSON Schema (draft 2020-12) of `reconcile.yaml` and of all files it includes. Any section can be in any file.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<FileSpec>();
    schema.insert("title".to_owned(), "reconcile".into());
    schema.to_value()
}

/// The same schema, generated once.
pub(crate) fn shared() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(json_schema)
}
