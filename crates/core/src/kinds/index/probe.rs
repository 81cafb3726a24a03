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
    /// Its columns, if it does not exist or will have other columns.
    pub columns: Option<&'a [Column]>,
    /// The index to parse and print.
    pub index: Index,
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

/// The statement that creates an empty copy of a relation as it is or will be.
fn copy(table: &QualifiedName, columns: Option<&[Column]>) -> Sql {
    let sql = Sql::new("CREATE TEMPORARY TABLE ").ident(&table.name).raw(" (");
    let Some(columns) = columns else { return sql.raw("LIKE ").name(table).raw(")") };
    let column = |sql: Sql, column: &Column| {
        let sql = sql.ident(&column.name).raw(" ").server_text(&column.type_name);
        match &column.collation {
            Some(collation) => sql.raw(" COLLATE ").name(collation),
            None => sql,
        }
    };
    sql.list(columns, ", ", column).raw(")")
}

/// The statements of one batch.
struct Script {
    batch: Batch,
    /// The CREATE INDEX statements.
    statements: Vec<(Asked, Sql)>,
    relations: read::Relations,
}

impl Script {
    fn new(questions: &[Question<'_>], positions: &[usize], server_version: u32, search_path: &[Ident]) -> Self {
        let mut batch = Batch::begin("BEGIN");
        batch.run("SET LOCAL enable_nestloop = on");
        batch.look_up_in(search_path);
        let asked = positions.iter().map(|position| &questions[*position]);
        let tables: BTreeMap<_, _> = asked.map(|question| (question.table, question.columns)).collect();
        for (table, columns) in &tables {
            batch.run(copy(table, *columns));
        }
        let temporary = |name: &Ident| QualifiedName::new(Ident::fixed("pg_temp"), name.clone());
        let mut statements = Vec::new();
        for position in positions {
            let question = &questions[*position];
            // The tablespace is checked by name. A copy need not be stored there.
            let bare = Index { tablespace: None, comment: None, ..question.index.clone() };
            let sql = bare.create_on(&probe_name(*position), &temporary(&question.table.name), BuildMode::Plain);
            statements.push((batch.ask(&sql), sql));
        }
        let copies: Vec<_> = tables.keys().map(|table| temporary(&table.name)).collect();
        batch.look_up_in(&[]);
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
            let statement = self.statements.iter().find(|(known, _)| *known == asked)?;
            Some((&statement.1, offset))
        });
        let statement = found.map(|(sql, _)| sql).or(self.statements.first().map(|(_, sql)| sql));
        Rejection { statement: statement.cloned().unwrap_or_default(), offset: found.map(|(_, offset)| offset), error }
    }
}
