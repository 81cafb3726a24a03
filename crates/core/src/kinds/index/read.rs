//! Reads relations and their indexes: the queries and the meaning of their rows.

use std::collections::{BTreeMap, HashMap};

use super::{
    Carrier, DesiredRelation, Live, LiveIndex, PathName,
    catalog::{self, Column, Columns, IndexRow, Names, OpClass},
};
use crate::postgres::{
    batch::{Answers, Asked, Batch},
    name::{Ident, QualifiedName},
    relation::{Relation, RelationKind},
    rows::{DecodeError, Row, Rows},
    sql::Sql,
};

/// `server_version_num` of the first server with `pg_index.indnullsnotdistinct`.
const NULLS_NOT_DISTINCT_SINCE: u32 = 150_000;

/// The handles of the queries for relations and their indexes.
#[derive(Clone, Copy, Debug)]
pub struct Relations {
    relations: Asked,
    indexes: Asked,
}

/// The handles of the queries for the objects that indexes refer to by OID. They are the same for a whole snapshot.
#[derive(Clone, Copy, Debug)]
pub struct NamesAsked {
    classes: Asked,
    collations: Asked,
}

/// Asks for relations and the partitions below them. `asked` is a query that returns rows of (schema, name).
pub fn ask(batch: &mut Batch, asked: &Sql, server_version: u32) -> Relations {
    let known = server_version >= NULLS_NOT_DISTINCT_SINCE;
    let nulls = Sql::new(if known { "i.indnullsnotdistinct" } else { "false" });
    let relations = batch.ask(Sql::query(include_str!("relations.sql"), &[("ASKED", asked.clone())]));
    let values = [("ASKED", asked.clone()), ("NULLS_NOT_DISTINCT", nulls)];
    Relations { relations, indexes: batch.ask(Sql::query(include_str!("catalog.sql"), &values)) }
}

/// Asks for the names.
pub fn ask_names(batch: &mut Batch) -> NamesAsked {
    NamesAsked {
        classes: batch.ask(Sql::query(include_str!("operator_classes.sql"), &[])),
        collations: batch.ask(Sql::query(include_str!("collations.sql"), &[])),
    }
}

/// Reads the names.
///
/// # Errors
/// The rows are not what the queries return.
pub fn decode_names(asked: NamesAsked, answers: &mut Answers) -> Result<Names, DecodeError> {
    let mut names = Names::default();
    for row in answers.take(asked.classes)?.iter() {
        let class = OpClass {
            name: path_name(row.get(1)?, row.get(2)?),
            method: row.get(3)?,
            input_type: row.get(4)?,
            default: row.get(5)?,
            stores_other: row.get(6)?,
        };
        names.add_opclass(row.get(0)?, class);
    }
    for row in answers.take(asked.collations)?.iter() {
        names.collations.insert(row.get(0)?, path_name(row.get(1)?, row.get(2)?));
    }
    Ok(names)
}

/// Reads relations and their indexes.
///
/// # Errors
/// The rows are not what the queries return.
pub fn decode(
    asked: Relations,
    answers: &mut Answers,
    names: &Names,
) -> Result<BTreeMap<QualifiedName, Carrier>, DecodeError> {
    let (relation_rows, index_rows) = (answers.take(asked.relations)?, answers.take(asked.indexes)?);
    let mut found = Found::of(&relation_rows)?;
    for row in index_rows.iter() {
        let row = index_row(&row)?;
        let Some((table, _, columns)) = found.by_oid.get(&row.table_oid) else { continue };
        let live: LiveIndex = catalog::decode(row, table, columns, names);
        if let Some(carrier) = found.carriers.get_mut(table) {
            carrier.indexes.insert(live.index.name.clone(), live);
        }
    }
    Ok(found.connected())
}

impl Live {
    /// Reads the declared and managed indexes of a snapshot.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn read(asked: Relations, answers: &mut Answers, names: &Names) -> Result<Self, DecodeError> {
        Ok(Self { relations: decode(asked, answers, names)?, ..Self::default() })
    }
}

/// The names of the declared relations.
pub(super) fn names(desired: &[DesiredRelation]) -> impl Iterator<Item = &QualifiedName> {
    desired.iter().map(|relation| &relation.name)
}

/// Relations without their indexes, by name and by OID.
struct Found {
    carriers: BTreeMap<QualifiedName, Carrier>,
    /// Each with the OID of its parent and with its columns.
    by_oid: HashMap<u32, (QualifiedName, Option<u32>, Columns)>,
}

impl Found {
    fn of(rows: &Rows) -> Result<Self, DecodeError> {
        let mut carriers = Vec::with_capacity(rows.len());
        let mut by_oid = HashMap::with_capacity(rows.len());
        for row in rows.iter() {
            let (relation, columns) = relation(&row)?;
            by_oid.insert(relation.oid, (relation.name.clone(), row.get(4)?, columns));
            carriers.push((relation.name.clone(), Carrier { relation, indexes: BTreeMap::new() }));
        }
        Ok(Self { carriers: carriers.into_iter().collect(), by_oid })
    }

    /// Connects parents and partitions.
    fn connected(mut self) -> BTreeMap<QualifiedName, Carrier> {
        let parent = |number: &Option<u32>| Some(&self.by_oid.get(&(*number)?)?.0);
        let pairs = self.by_oid.values().filter_map(|(child, number, _)| Some((parent(number)?, child)));
        let mut pairs: Vec<_> = pairs.map(|(parent, child)| (parent.clone(), child.clone())).collect();
        pairs.sort();
        for (parent, child) in pairs {
            if let Some(carrier) = self.carriers.get_mut(&child) {
                carrier.relation.parent = Some(parent.clone());
            }
            if let Some(carrier) = self.carriers.get_mut(&parent) {
                carrier.relation.partitions.push(child);
            }
        }
        add_up_partitions(&mut self.carriers);
        self.carriers
    }
}

fn relation(row: &Row<'_>) -> Result<(Relation, Columns), DecodeError> {
    let kind = match row.get(3)? {
        "p" => RelationKind::Partitioned,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        _ => RelationKind::Table,
    };
    let (numbers, names): (Vec<i16>, Vec<Ident>) = (row.json_or_default(5)?, row.json_or_default(6)?);
    let (types, collations): (Vec<u32>, Vec<u32>) = (row.json_or_default(7)?, row.json_or_default(8)?);
    let columns = names.into_iter().zip(types.into_iter().zip(collations));
    let columns: Columns = numbers
        .into_iter()
        .zip(columns)
        .map(|(number, (name, (type_oid, collation)))| (number, Column { name, type_oid, collation }))
        .collect();
    let key: Vec<i16> = row.text(11).map(vector).unwrap_or_default();
    let detaching: Vec<(Ident, Ident)> = row.json_or_default(12)?;
    let relation = Relation {
        name: row.name(1)?,
        oid: row.get(0)?,
        kind,
        parent: None,
        partitions: Vec::new(),
        detaching: detaching.into_iter().map(|(schema, name)| QualifiedName::new(schema, name)).collect(),
        partition_key: key.iter().map(|number| columns.get(number).map(|column| column.name.clone())).collect(),
        partitioned_by: row.get(13)?,
        columns: Vec::new(),
        bytes: u64::try_from(row.get::<i64>(9)?).unwrap_or(0),
        rows: estimate(row.get(10)?),
    };
    Ok((relation, columns))
}

/// `pg_class.reltuples`, which is -1 if the relation was never analysed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and an estimate anyway")]
fn estimate(rows: f64) -> Option<u64> {
    (rows >= 0.0).then_some(rows as u64)
}

fn index_row(row: &Row<'_>) -> Result<IndexRow, DecodeError> {
    Ok(IndexRow {
        oid: row.get(0)?,
        table_oid: row.get(1)?,
        name: row.get(2)?,
        method: row.get(3)?,
        unique: row.get(4)?,
        nulls_not_distinct: row.get(5)?,
        valid: row.get(6)?,
        builder: row.get(7)?,
        replica_identity: row.get(8)?,
        clustered: row.get(9)?,
        keys: row.get(10)?,
        columns: vector(row.get(11)?),
        opclasses: vector(row.get(12)?),
        collations: vector(row.get(13)?),
        options: vector(row.get(14)?),
        expressions: row.json_or_default(15)?,
        expression_types: row.json_or_default(16)?,
        predicate: row.get(17)?,
        parameters: row.json_or_default(18)?,
        opclass_parameters: row.json_or_default(19)?,
        tablespace: row.get(20)?,
        comment: row.get(21)?,
        constraint: row.get(22)?,
        needed_by: row.json_or_default(23)?,
        attached_to: row.get(24)?,
        statistics: row.json_or_default(25)?,
        deferrable: row.get(26)?,
        extensions: row.json_or_default(27)?,
    })
}

/// An `int2vector` or `oidvector`, which the server prints as numbers separated by spaces.
fn vector<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn path_name(schema: &str, name: &str) -> PathName {
    let schema = (schema != "pg_catalog").then(|| Ident::from_server(schema));
    PathName { schema, name: Ident::from_server(name) }
}

/// Sets the size of each partitioned table to the sum of its partitions.
pub(super) fn add_up_partitions(carriers: &mut BTreeMap<QualifiedName, Carrier>) {
    let roots = carriers.values().filter(|carrier| carrier.is_partitioned() && carrier.parent.is_none());
    let roots: Vec<_> = roots.map(|carrier| carrier.name.clone()).collect();
    for root in roots {
        add_up(carriers, &root);
    }
}

fn add_up(carriers: &mut BTreeMap<QualifiedName, Carrier>, name: &QualifiedName) -> (u64, Option<u64>) {
    let Some(carrier) = carriers.get(name) else { return (0, None) };
    if !carrier.is_partitioned() {
        return (carrier.bytes, carrier.rows);
    }
    let partitions = carrier.partitions.clone();
    let (mut bytes, mut rows) = (0, None);
    for partition in &partitions {
        let (part_bytes, part_rows) = add_up(carriers, partition);
        bytes += part_bytes;
        rows = part_rows.map(|part| part + rows.unwrap_or(0)).or(rows);
    }
    if let Some(carrier) = carriers.get_mut(name) {
        carrier.relation.bytes = bytes;
        carrier.relation.rows = rows;
    }
    (bytes, rows)
}
