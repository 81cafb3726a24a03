//! The shape of the files: what may stand where. What it means is left to `declare` and `settings`.

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

/// Keys of the contract that this version does not support yet, by the type they would stand in.
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
    /// Files and patterns to read, relative to the folder of `reconcile.yaml`; only there.
    pub(crate) include: Option<Vec<String>>,
    /// How changes are executed.
    pub(crate) defaults: Option<DefaultsSpec>,
    /// Which hazards may happen without asking.
    pub(crate) safety: Option<SafetySpec>,
    /// Who runs what is due.
    pub(crate) scheduler: Option<Runner>,
    /// What differs per target; `--target NAME` chooses one.
    pub(crate) targets: Option<Entries<Option<TargetSpec>>>,
    /// Relations that carry indexes, by `schema.name`; a bare name is in schema `public`.
    pub(crate) tables: Option<Entries<Option<TableSpec>>>,
    /// Materialized views, by `schema.name`; a bare name is in schema `public`.
    pub(crate) materialized_views: Option<Entries<ViewSpec>>,
    /// What becomes of old rows, by the `schema.name` of their tables.
    pub(crate) retention: Option<Entries<RuleSpec>>,
}

/// Which database, and where in it reconcile keeps its own tables.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DatabaseSpec {
    /// A connection URL; `--database-url` and `DATABASE_URL` go before it.
    pub(crate) url: Option<String>,
    /// The schema of registry and history; `reconcile` where not given.
    pub(crate) schema: Option<String>,
}

/// How changes are executed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefaultsSpec {
    /// How long a statement may wait for a lock before it is tried again: `2s`.
    pub(crate) lock_timeout: Option<String>,
    /// How often a statement that got no lock is tried again: 10.
    pub(crate) retries: Option<u32>,
    /// How long one index may take to build: `6h`.
    pub(crate) build_timeout: Option<String>,
    /// How many builds run side by side, each on another table: 1.
    #[schemars(range(min = 1))]
    pub(crate) parallel: Option<u32>,
    /// Schemas in which the names inside SQL fragments are looked up: `[public]`.
    pub(crate) search_path: Option<Vec<String>>,
}

/// Which hazards may happen without asking.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SafetySpec {
    /// Hazards that need no further approval; `all` for every one. `index_build` always is.
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

/// What differs for one target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetSpec {
    /// Each key given here takes the place of the project's.
    pub(crate) database: Option<DatabaseSpec>,
    /// Each key given here takes the place of the project's.
    pub(crate) defaults: Option<DefaultsSpec>,
    /// `allow` takes the place of the project's; `forbid` adds to it.
    pub(crate) safety: Option<SafetySpec>,
}

/// A relation that carries indexes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableSpec {
    /// Whether indexes that are not declared are dropped; never those of constraints.
    pub(crate) prune: Option<bool>,
    /// Indexes by name.
    pub(crate) indexes: Option<Entries<IndexSpec>>,
}

/// A materialized view: exactly one of `query` and `query_file`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ViewSpec {
    /// The SQL query whose rows it holds.
    pub(crate) query: Option<String>,
    /// A file that holds the query, relative to this one.
    pub(crate) query_file: Option<String>,
    /// Indexes by name.
    pub(crate) indexes: Option<Entries<IndexSpec>>,
    /// Whether it is filled when it is made; `true` where not given.
    pub(crate) with_data: Option<bool>,
    /// Storage parameters such as `fillfactor`. Where given, it is the whole set; not given, they are left alone.
    pub(crate) with: Option<BTreeMap<String, ParameterSpec>>,
    /// Tablespace; left alone where not given.
    pub(crate) tablespace: Option<String>,
    /// Comment; left alone where not given, removed where empty.
    pub(crate) comment: Option<String>,
    /// Who may do what with it, by role; `PUBLIC` is everyone. Where given, it is the whole set of rights on the view that
    /// others than its owner have; not given, they are left alone.
    pub(crate) grants: Option<BTreeMap<String, RightsSpec>>,
    /// When and how it is brought up to date.
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

/// What is wrong is said by `check`, which knows both places.
fn reject_twice<T, E: de::Error>(entries: &[(String, T)]) -> Result<(), E> {
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(E::custom(format!("the key `{}` stands here twice", pair[0]))),
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
