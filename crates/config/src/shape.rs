//! The shape of the files: their keys and the types of their values. What they mean is left to `declare` and
//! `settings`.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use reconcile_core::{
    hazard::Hazard,
    kinds::{
        index::spec::IndexSpec,
        matview::spec::{RefreshSpec, RightsSpec},
        retention::spec::RuleSpec,
    },
    postgres::cron::Runner,
    postgres::parameters::ParameterSpec,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

/// Keys of the format that this version does not support yet, by the type to which they belong.
pub(crate) const UNSUPPORTED: [(&str, &[&str]); 2] =
    [("FileSpec", &["alerts", "queries"]), ("TableSpec", &["partitioning", "extract"])];

/// A file of a reconcile project: `reconcile.yaml`, or one that it includes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSpec {
    /// The version of this format: 1.
    pub(crate) version: Option<u32>,
    /// Which database, and where in it reconcile keeps its own tables.
    pub(crate) database: Option<DatabaseSpec>,
    /// Files and patterns to read, relative to the folder of `reconcile.yaml`. Only `reconcile.yaml` can have it.
    pub(crate) include: Option<Vec<String>>,
    /// How changes are executed.
    pub(crate) defaults: Option<DefaultsSpec>,
    /// Which hazards may happen without asking.
    pub(crate) safety: Option<SafetySpec>,
    /// Who runs the work that is due.
    pub(crate) scheduler: Option<Runner>,
    /// Settings per target. `--target NAME` chooses one.
    pub(crate) targets: Option<Entries<Option<TargetSpec>>>,
    /// Relations with indexes, by `schema.name`. A bare name is in schema `public`.
    pub(crate) tables: Option<Entries<Option<TableSpec>>>,
    /// Materialized views, by `schema.name`. A bare name is in schema `public`.
    pub(crate) materialized_views: Option<Entries<ViewSpec>>,
    /// Rules for old rows, by the `schema.name` of their tables.
    pub(crate) retention: Option<Entries<RuleSpec>>,
}

/// Which database, and where in it reconcile keeps its own tables.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseSpec {
    /// A connection URL. `--database-url` and `DATABASE_URL` take precedence over it.
    pub(crate) url: Option<String>,
    /// The schema of registry and history. The default is `reconcile`.
    pub(crate) schema: Option<String>,
}

/// How changes are executed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultsSpec {
    /// How long a statement may wait for a lock before it is tried again. The default is `2s`.
    pub(crate) lock_timeout: Option<String>,
    /// How often a statement that did not get its lock is tried again. The default is 10.
    pub(crate) retries: Option<u32>,
    /// How long one index may take to build. The default is `6h`.
    pub(crate) build_timeout: Option<String>,
    /// How many builds run at the same time, each on another table. The default is 1.
    #[schemars(range(min = 1))]
    pub(crate) parallel: Option<u32>,
    /// Schemas in which names inside SQL fragments are looked up. The default is `[public]`.
    pub(crate) search_path: Option<Vec<String>>,
}

/// Which hazards may happen without asking.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SafetySpec {
    /// Hazards that need no further approval, or `all`. `index_build` never needs one.
    pub(crate) allow: Option<Vec<AllowSpec>>,
    /// Hazards that nothing can approve.
    pub(crate) forbid: Option<Vec<Hazard>>,
}

/// A hazard that may happen, or `all` of them.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AllowSpec {
    /// Every hazard.
    All,
    /// This one.
    #[serde(untagged)]
    One(Hazard),
}

/// The settings of one target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetSpec {
    /// Each key given here replaces that of the project.
    pub(crate) database: Option<DatabaseSpec>,
    /// Each key given here replaces that of the project.
    pub(crate) defaults: Option<DefaultsSpec>,
    /// `allow` replaces that of the project. `forbid` adds to it.
    pub(crate) safety: Option<SafetySpec>,
}

/// A relation with indexes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSpec {
    /// Whether indexes that are not declared are dropped. Indexes of constraints are never dropped.
    pub(crate) prune: Option<bool>,
    /// Indexes by name.
    pub(crate) indexes: Option<Entries<IndexSpec>>,
}

/// A materialized view: exactly one of `query` and `query_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ViewSpec {
    /// The SQL query whose rows it has.
    pub(crate) query: Option<String>,
    /// A file with the query. Its path is relative to the folder of this file.
    pub(crate) query_file: Option<String>,
    /// Indexes by name.
    pub(crate) indexes: Option<Entries<IndexSpec>>,
    /// Whether it is filled when it is created. The default is `true`.
    pub(crate) with_data: Option<bool>,
    /// Storage parameters such as `fillfactor`. If given, this is the complete set. If not, they are left as they are.
    pub(crate) with: Option<BTreeMap<String, ParameterSpec>>,
    /// Tablespace. If not given, it is left as it is.
    pub(crate) tablespace: Option<String>,
    /// Comment. If not given, it is left as it is. If empty, it is removed.
    pub(crate) comment: Option<String>,
    /// Privileges on it, by role; `PUBLIC` is everyone. If given, this is the complete set of privileges that roles
    /// other than its owner have. If not, they are left as they are.
    pub(crate) grants: Option<BTreeMap<String, RightsSpec>>,
    /// When and how it is refreshed.
    pub(crate) refresh: Option<RefreshSpec>,
}

/// A map in the order in which it is written.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        reject_twice(&entries)?;
        Ok(Entries(entries))
    }
}

/// Refuses duplicate keys. `check` reports them with both places.
fn reject_twice<T, E: de::Error>(entries: &[(String, T)]) -> Result<(), E> {
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(E::custom(format!("duplicate key `{}`", pair[0]))),
        None => Ok(()),
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}
