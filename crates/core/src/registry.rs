//! What reconcile manages, according to the registry. Another version, with other kinds, may have written the entries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    address::{Address, KindName},
    digest::Digest,
    postgres::{
        batch::{Answers, Asked, Batch},
        name::{Ident, QualifiedName},
        routine,
        rows::DecodeError,
        sql::Sql,
    },
};

/// The registry of a database, and the routines in its schema.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Registry {
    /// Whether its schema and tables exist.
    pub exists: bool,
    /// It exists, but this role may not read it. What reconcile manages is unknown, so nothing may be dropped.
    pub unreadable: bool,
    /// The objects that were created or adopted.
    pub managed: BTreeMap<Address, Managed>,
    /// Entries of kinds that this version does not know; they do not change.
    pub unknown: Vec<Address>,
    /// The routines of retention rules and of chains of views, by name.
    pub routines: BTreeMap<Ident, routine::Found>,
}

/// A registry entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Managed {
    /// The digest of the declaration when it was applied.
    pub declared: Digest,
    /// The digest of the live definition right after that.
    pub definition: Digest,
    /// The OID of the relation that the object was when it was applied. Layouts before the fifth did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<u32>,
    /// What the declaration relied on when it was applied, for kinds whose SQL can change its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<serde_json::Value>,
    /// It was applied with `protect: true`, so it stays when its declaration goes. Versions that did not record this have
    /// it false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// The declaration itself, for kinds whose objects the catalogs do not hold completely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration: Option<serde_json::Value>,
}

/// Asks for the entries. Only the entries of some kinds include the declaration.
pub fn ask(table: &QualifiedName, with_declaration: &[KindName], batch: &mut Batch) -> Asked {
    let sql = Sql::new("SELECT r.* FROM (SELECT NULL::int8 AS object, NULL::jsonb AS basis) AS older, ")
        // In a table that has no such column, the name means that of the older layout.
        .raw("LATERAL (SELECT address, declared, definition, object, basis, declaration @> '{\"protect\": true}', ")
        .raw("CASE WHEN address LIKE ANY (ARRAY[");
    let sql = sql.list(with_declaration, ", ", of_kind).raw("]) THEN declaration END FROM ").name(table).raw(") AS r");
    batch.ask(sql)
}

/// A query for the declared relations and those in the registry's table, of one kind or of all kinds: (schema, name).
#[must_use]
pub fn relations<'a>(
    declared: impl Iterator<Item = &'a QualifiedName>,
    table: Option<&QualifiedName>,
    kind: Option<&KindName>,
) -> Sql {
    // The first row sets the types of the columns, and matches nothing.
    let names = declared.map(Some).chain([None]);
    let sql = Sql::new("VALUES (''::name, ''::name), ").list(names, ", ", |sql, name| match name {
        Some(name) => sql.name_literals(name),
        None => sql.raw("('', '')"),
    });
    let Some(table) = table else { return sql };
    let sql = sql.raw(" UNION SELECT relation_schema::name, relation_name::name FROM ").name(table);
    match kind {
        Some(kind) => of_kind(sql.raw(" WHERE address LIKE "), kind),
        None => sql,
    }
}

/// The `LIKE` pattern for the addresses of a kind.
fn of_kind(sql: Sql, kind: &KindName) -> Sql {
    sql.literal(&format!("{kind}/%"))
}

/// Asks for the routines of objects: name and properties.
pub fn ask_routines(registry: &Ident, batch: &mut Batch) -> Asked {
    let sql = Sql::new(
        "SELECT p.proname, jsonb_build_object('kind', p.prokind, 'body', p.prosrc, \
         'own', pg_get_userbyid(p.proowner) = current_user) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.pronargs = 0 AND p.prokind IN ('f', 'p') AND p.proname ~ '^(retain|preview|refresh):' AND n.nspname = ",
    );
    batch.ask(sql.literal(registry.as_str()))
}

/// A registry entry that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registry's entry of {address} cannot be read: {why}")]
pub struct EntryError {
    /// The address of the entry.
    pub address: Box<Address>,
    /// What is wrong with it.
    pub why: String,
}

impl Registry {
    /// Reads the entries.
    ///
    /// # Errors
    /// The rows do not have the form of the query.
    pub fn read(&mut self, asked: Asked, answers: &mut Answers) -> Result<(), DecodeError> {
        // There may be tens of thousands: building the tree at once is faster and needs less memory.
        let mut entries = Vec::new();
        for row in answers.take(asked)?.iter() {
            let address: &str = row.get(0)?;
            let Ok(address) = address.parse::<Address>() else {
                self.unknown.push(Address::unknown(address));
                continue;
            };
            let managed = Managed {
                declared: Digest::stored(row.get(1)?),
                definition: Digest::stored(row.get(2)?),
                object: row.get(3)?,
                basis: row.json_or_default(4)?,
                protect: row.get(5)?,
                declaration: row.json_or_default(6)?,
            };
            entries.push((address, managed));
        }
        self.managed = entries.into_iter().collect();
        Ok(())
    }

    /// Reads the routines.
    ///
    /// # Errors
    /// The rows do not have the form of the query.
    pub fn read_routines(&mut self, asked: Asked, answers: &mut Answers) -> Result<(), DecodeError> {
        for row in answers.take(asked)?.iter() {
            self.routines.insert(Ident::from_server(row.get(0)?), row.json(1)?);
        }
        Ok(())
    }

    /// Whether an object is managed.
    #[must_use]
    pub fn manages(&self, address: &Address) -> bool {
        self.managed.contains_key(address)
    }

    /// Whether an object was applied with `protect: true`.
    #[must_use]
    pub fn protects(&self, address: &Address) -> bool {
        self.managed.get(address).is_some_and(|entry| entry.protect)
    }

    /// The OID of the relation that an object was when it was applied.
    #[must_use]
    pub fn object(&self, address: &Address) -> Option<u32> {
        self.managed.get(address)?.object
    }

    /// The entries of a kind.
    pub fn of_kind(&self, kind: KindName) -> impl Iterator<Item = (&Address, &Managed)> {
        self.managed.iter().filter(move |(address, _)| *address.kind() == kind)
    }

    /// The applied declarations of a kind.
    ///
    /// # Errors
    /// A version with another form of declarations wrote one of them.
    pub fn declarations<O: DeserializeOwned>(&self, kind: KindName) -> Result<Vec<(Address, O)>, EntryError> {
        let read = |(address, managed): (&Address, &Managed)| {
            let json = managed.declaration.as_ref().unwrap_or(&serde_json::Value::Null);
            let error =
                |error: serde_json::Error| EntryError { address: Box::new(address.clone()), why: error.to_string() };
            Ok((address.clone(), O::deserialize(json).map_err(error)?))
        };
        self.of_kind(kind).map(read).collect()
    }
}
