//! Has the server parse and print index definitions on an empty temporary copy of the table, in a transaction that is
//! rolled back. So mistakes are found here, before anything is planned.

use std::collections::{BTreeMap, HashMap};

use super::{BuildMode, Definition, Index, catalog::Names, read};
use crate::{
    postgres::{
        batch::{Answers, Ask, Asked, Batch, ServerError, judged, roll_back},
        name::{Ident, QualifiedName},
        relation::Column,
        rows::DecodeError,
        sql::Sql,
    },
    registry,
};

/// Indexes in a batch. Each takes a few locks, and the lock table of the server is finite.
const BATCH: usize = 60;

/// A definition on a relation.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    /// The relation whose columns the definition uses.
    pub table: &'a QualifiedName,
    /// What its copy has.
    pub copy: Copied<'a>,
    /// Its partitions get indexes of their own, so that the definition must also fit a table of another name.
    pub on_partitions: bool,
    /// The index to parse and print.
    pub index: Index,
}

/// What the copy of a relation has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Copied<'a> {
    /// What the relation has, as far as it decides whether the server takes an index: its columns, how they are generated,
    /// and how it is partitioned. Indexes do not depend on anything else of it.
    Standing {
        /// How it is partitioned.
        partitioned_by: Option<&'a str>,
    },
    /// These columns: it does not exist, or will have other ones.
    Columns(&'a [Column]),
}

/// The definition as the server prints it, or why it refuses it.
pub(super) type Answer = Result<Definition, Rejection>;

/// The server's refusal of a definition.
#[derive(Clone, Debug)]
pub(super) struct Rejection {
    /// The server's error.
    pub error: ServerError,
    /// The statement that it refused.
    pub statement: Sql,
    /// The position of the error in that statement, in bytes.
    pub offset: Option<usize>,
    /// It refuses the definition for the partitions of the relation.
    pub on_partitions: bool,
}

/// Asks about all of them. Names are looked up along `search_path`. The answers have the same order.
///
/// # Errors
/// The connection fails, or this role may not create temporary tables here (SQLSTATE 42501 or 25006).
pub(super) async fn ask<S: Ask>(
    server: &mut S,
    questions: &[Question<'_>],
    names: &Names,
    search_path: &[Ident],
) -> Result<Vec<Answer>, S::Error> {
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    for batch in batches(questions) {
        ask_batch(server, questions, batch, names, search_path, &mut answers).await?;
    }
    let answered = |(position, answer): (usize, Option<Answer>)| answer.ok_or(DecodeError::Statement(position + 1));
    Ok(answers.into_iter().enumerate().map(answered).collect::<Result<_, _>>()?)
}

/// Groups the questions. A group is small enough for the lock table, and its tables have different names, because the
/// copies share `pg_temp`.
fn batches(questions: &[Question<'_>]) -> Vec<Vec<usize>> {
    let mut batches: Vec<(Vec<usize>, HashMap<&Ident, &QualifiedName>)> = Vec::new();
    for (position, question) in questions.iter().enumerate() {
        let fits = batches.last().is_some_and(|(batch, tables)| {
            batch.len() < BATCH && tables.get(&question.table.name).is_none_or(|table| *table == question.table)
        });
        if !fits {
            batches.push((Vec::new(), HashMap::new()));
        }
        if let Some((batch, tables)) = batches.last_mut() {
            batch.push(position);
            tables.insert(&question.table.name, question.table);
        }
    }
    batches.into_iter().map(|(batch, _)| batch).collect()
}

/// Asks one batch. If the server refuses it, both halves are asked, until each refused question is alone.
async fn ask_batch<S: Ask>(
    server: &mut S,
    questions: &[Question<'_>],
    first: Vec<usize>,
    names: &Names,
    search_path: &[Ident],
    answers: &mut [Option<Answer>],
) -> Result<(), S::Error> {
    let mut waiting = vec![first];
    while let Some(positions) = waiting.pop() {
        let script = Script::new(questions, &positions, server.server_version(), search_path);
        match judged(server, &script.batch).await? {
            Ok(mut results) => script.read(&positions, &mut results, names, answers)?,
            Err(error) => {
                roll_back(server).await?;
                if let [position] = positions.as_slice() {
                    answers[*position] = Some(Err(script.rejection(*error)));
                } else {
                    let (left, right) = positions.split_at(positions.len() / 2);
                    waiting.push(right.to_vec());
                    waiting.push(left.to_vec());
                }
            }
        }
    }
    Ok(())
}

fn probe_name(position: usize) -> Ident {
    Ident::generated(&format!("reconcile_probe_{position}"), &position)
}

/// The index that a definition makes on a copy that stands for the partitions.
fn part_name(position: usize) -> Ident {
    Ident::generated(&format!("reconcile_part_{position}"), &position)
}

/// The statement that creates an empty copy of a relation as it is or will be.
fn copy(name: &Ident, table: &QualifiedName, copied: Copied<'_>) -> Sql {
    let sql = Sql::new("CREATE TEMPORARY TABLE ").ident(name).raw(" (");
    let columns = match copied {
        Copied::Standing { partitioned_by } => {
            let sql = sql.raw("LIKE ").name(table).raw(" INCLUDING GENERATED)");
            return match partitioned_by {
                Some(key) => sql.raw(" PARTITION BY ").server_text(key),
                None => sql,
            };
        }
        Copied::Columns(columns) => columns,
    };
    let column = |sql: Sql, column: &Column| {
        let sql = sql.ident(&column.name).raw(" ").server_text(&column.type_name);
        match &column.collation {
            Some(collation) => sql.raw(" COLLATE ").name(collation),
            None => sql,
        }
    };
    sql.list(columns, ", ", column).raw(")")
}

fn temporary(name: &Ident) -> QualifiedName {
    QualifiedName::new(Ident::fixed("pg_temp"), name.clone())
}

/// The name of the copy that stands for the partitions of a relation. No relation has it, so that a definition which
/// needs the relation's own name or row type is refused.
fn stand_in(position: usize) -> Ident {
    Ident::generated(&format!("reconcile_partition_{position}"), &position)
}

/// The statements of one batch.
struct Script {
    batch: Batch,
    statements: Vec<Statement>,
    relations: read::Relations,
}

/// A CREATE INDEX statement.
struct Statement {
    asked: Asked,
    sql: Sql,
    on_partitions: bool,
}

impl Script {
    fn new(questions: &[Question<'_>], positions: &[usize], server_version: u32, search_path: &[Ident]) -> Self {
        let mut batch = Batch::begin("BEGIN");
        batch.run("SET LOCAL enable_nestloop = on");
        let asked = || positions.iter().map(|position| (*position, &questions[*position]));
        let tables: BTreeMap<_, _> = asked().map(|(_, question)| (question.table, question.copy)).collect();
        // The server has printed types and partition keys with nothing on the path.
        batch.look_up_in(&[]);
        for (table, copied) in &tables {
            batch.run(copy(&table.name, table, *copied));
        }
        let with_partitions = asked().filter(|(_, question)| question.on_partitions);
        let stand_ins: BTreeMap<_, _> =
            with_partitions.map(|(position, question)| (question.table, stand_in(position))).collect();
        for (table, name) in &stand_ins {
            batch.run(copy(name, table, Copied::Standing { partitioned_by: None }));
        }
        batch.look_up_in(search_path);
        let mut statements = Vec::new();
        for (position, question) in asked() {
            // The tablespace is checked by name. A copy need not be stored there.
            let bare = Index { tablespace: None, comment: None, ..question.index.clone() };
            let mut ask = |name: &Ident, on: &Ident, on_partitions| {
                let sql = bare.create_on(name, &temporary(on), BuildMode::Plain);
                statements.push(Statement { asked: batch.ask(&sql), sql, on_partitions });
            };
            ask(&probe_name(position), &question.table.name, false);
            if let Some(stand_in) = stand_ins.get(question.table).filter(|_| question.on_partitions) {
                ask(&part_name(position), stand_in, true);
            }
        }
        let copies: Vec<_> = tables.keys().map(|table| temporary(&table.name)).collect();
        // A copy may have the name of a catalog.
        batch.look_up_in(&[Ident::fixed("pg_catalog"), Ident::fixed("pg_temp")]);
        let relations = read::ask(&mut batch, &registry::relations(copies.iter(), None, None), server_version);
        batch.run("ROLLBACK");
        Self { batch, statements, relations }
    }

    fn read(
        &self,
        positions: &[usize],
        results: &mut Answers,
        names: &Names,
        answers: &mut [Option<Answer>],
    ) -> Result<(), DecodeError> {
        let carriers = read::decode(self.relations, results, names)?;
        let indexes = carriers.into_values().flat_map(|carrier| carrier.indexes);
        let mut definitions: HashMap<Ident, Definition> =
            indexes.map(|(name, live)| (name, live.index.definition)).collect();
        for position in positions {
            let definition = definitions.remove(&probe_name(*position)).ok_or(DecodeError::Row)?;
            answers[*position] = Some(Ok(definition));
        }
        Ok(())
    }

    /// Finds the statement that the position of an error is in.
    fn rejection(&self, error: ServerError) -> Rejection {
        let pointed = self.batch.pointed_at(&error);
        let found = pointed.and_then(|(asked, offset)| {
            let statement = self.statements.iter().find(|statement| statement.asked == asked)?;
            Some((statement, offset))
        });
        let statement = found.map(|(statement, _)| statement).or(self.statements.first());
        Rejection {
            statement: statement.map(|statement| statement.sql.clone()).unwrap_or_default(),
            offset: found.map(|(_, offset)| offset),
            on_partitions: statement.is_some_and(|statement| statement.on_partitions),
            error,
        }
    }
}
