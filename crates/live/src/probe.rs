//! Has the server parse and print index definitions: on an empty temporary copy of the table, in a transaction that
//! is rolled back (TRAPS 1). What the server refuses it refuses here, before anything is planned.

use std::collections::{BTreeMap, HashMap};

use reconcile_core::{
    kinds::{
        index::{BuildMode, Definition, Index},
        matview::dependents::TypedColumn,
    },
    postgres::{
        name::{Ident, QualifiedName},
        sql::Sql,
    },
};

use crate::{LiveError, Session, catalog, error::ServerError, server::Server, settings};

/// Indexes per batch. Each takes a few locks, and the lock table of the whole server is finite.
const BATCH: usize = 60;

/// A definition on a relation.
#[derive(Clone, Debug)]
pub struct Question {
    /// The relation, whose columns the definition means.
    pub table: QualifiedName,
    /// Its columns, where it is not there, or not yet as it will be.
    pub columns: Option<Vec<TypedColumn>>,
    /// What to parse and print.
    pub index: Index,
}

/// What the server made of it, or why not.
pub type Answer = Result<Definition, Refusal>;

/// A definition that the server does not accept.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What it said.
    pub error: ServerError,
    /// The statement that it said it about.
    pub statement: Sql,
    /// Bytes into that statement, where it points.
    pub offset: Option<usize>,
}

/// Asks about all of them; the answers are in the same order.
///
/// # Errors
/// The connection fails, or this role may not create temporary tables here (SQLSTATE 42501 or 25006).
pub async fn ask(session: &mut Session, questions: &[Question], server: &Server<'_>) -> Result<Vec<Answer>, LiveError> {
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    for batch in batches(questions) {
        ask_batch(session, questions, batch, server, &mut answers).await?;
    }
    answers
        .into_iter()
        .map(|answer| answer.ok_or_else(|| LiveError::Connection("a probe has no answer".into())))
        .collect()
}

/// Groups of positions: few enough for the lock table, and no two tables of one name, which would meet in `pg_temp`.
fn batches(questions: &[Question]) -> Vec<Vec<usize>> {
    let mut batches: Vec<(Vec<usize>, HashMap<&Ident, &QualifiedName>)> = Vec::new();
    for (position, question) in questions.iter().enumerate() {
        let fits = batches.last().is_some_and(|(batch, tables)| {
            batch.len() < BATCH && tables.get(&question.table.name).is_none_or(|table| **table == question.table)
        });
        if !fits {
            batches.push((Vec::new(), HashMap::new()));
        }
        if let Some((batch, tables)) = batches.last_mut() {
            batch.push(position);
            tables.insert(&question.table.name, &question.table);
        }
    }
    batches.into_iter().map(|(batch, _)| batch).collect()
}

/// One batch; where the server refuses it, its halves, until the refused ones stand alone.
async fn ask_batch(
    session: &mut Session,
    questions: &[Question],
    first: Vec<usize>,
    server: &Server<'_>,
    answers: &mut [Option<Answer>],
) -> Result<(), LiveError> {
    let mut waiting = vec![first];
    while let Some(batch) = waiting.pop() {
        let script = Script::new(questions, &batch, session.server_version(), server);
        match session.batch(&script.text).await {
            Ok(results) => read_answers(questions, &batch, results, server, answers)?,
            Err(LiveError::Server(error)) if is_about_us(&error) => return Err(LiveError::Server(error)),
            Err(LiveError::Server(error)) => {
                // Where the server did not even parse the batch, there is no transaction; it says so and that is all.
                session.batch("ROLLBACK").await?;
                if let [position] = batch.as_slice() {
                    answers[*position] = Some(Err(script.refusal(*error)));
                } else {
                    let (left, right) = batch.split_at(batch.len() / 2);
                    waiting.push(right.to_vec());
                    waiting.push(left.to_vec());
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Insufficient privilege for temporary tables, a read-only transaction, a lock that was not to be had: these say
/// nothing about the definition.
pub(crate) fn is_about_us(error: &ServerError) -> bool {
    let about_our_rights = ["temporary", "schema", "table", "relation"];
    match error.code.as_str() {
        "25006" | "55P03" | "57014" | "53200" => true,
        // What a role may not do with a function or type is a matter of the definition.
        "42501" => about_our_rights.iter().any(|what| error.message.contains(what)),
        _ => false,
    }
}

fn read_answers(
    questions: &[Question],
    batch: &[usize],
    results: Vec<crate::session::Rows>,
    server: &Server<'_>,
    answers: &mut [Option<Answer>],
) -> Result<(), LiveError> {
    // The two of the catalog stand before that of the final ROLLBACK.
    let mut rows = results.into_iter().rev().skip(1);
    let (index_rows, relation_rows) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
    let relations = catalog::relations(&relation_rows, index_rows, server.names)?;
    let mut definitions: HashMap<Ident, Definition> = relations
        .into_values()
        .flat_map(|relation| relation.indexes)
        .map(|(n, live)| (n, live.index.definition))
        .collect();
    for position in batch {
        let definition = definitions.remove(&probe_name(*position)).ok_or_else(|| {
            LiveError::Connection(format!("the probe of an index on {} left no trace", questions[*position].table))
        })?;
        answers[*position] = Some(Ok(definition));
    }
    Ok(())
}

fn probe_name(position: usize) -> Ident {
    Ident::fitted("reconcile_probe_", &position.to_string())
}

/// The statement that makes an empty copy of a relation, or what it will be.
fn copy(table: &QualifiedName, columns: Option<&[TypedColumn]>) -> Sql {
    let sql = Sql::new("CREATE TEMPORARY TABLE ").ident(&table.name).raw(" (");
    let Some(columns) = columns else { return sql.raw("LIKE ").name(table).raw(")") };
    let column = |sql: Sql, column: &TypedColumn| {
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
    text: String,
    /// Each CREATE INDEX with its byte offset in the text.
    statements: Vec<(usize, Sql)>,
}

impl Script {
    fn new(questions: &[Question], batch: &[usize], server_version: u32, server: &Server<'_>) -> Self {
        let path = Sql::new("SET LOCAL search_path = ").search_path(&server.options.search_path);
        let text = format!("BEGIN; {}SET LOCAL enable_nestloop = on; {path}; ", settings::local());
        let mut script = Self { text, statements: Vec::new() };
        let tables: BTreeMap<&QualifiedName, Option<&[TypedColumn]>> = batch
            .iter()
            .map(|position| &questions[*position])
            .map(|question| (&question.table, question.columns.as_deref()))
            .collect();
        for (table, columns) in &tables {
            script.text.push_str(&format!("{}; ", copy(table, *columns)));
        }
        let temporary = |name: &Ident| QualifiedName::new(Ident::from_server("pg_temp"), name.clone());
        for position in batch {
            let question = &questions[*position];
            // Where it will be stored is checked by name; a copy need not go there.
            let bare = Index { tablespace: None, comment: None, ..question.index.clone() };
            let sql = bare.create_on(&probe_name(*position), &temporary(&question.table.name), BuildMode::Plain);
            let at = script.text.len();
            script.text.push_str(&format!("{sql}; "));
            script.statements.push((at, sql));
        }
        let copies: Vec<_> = tables.keys().map(|table| temporary(&table.name)).collect();
        script.text.push_str("SET LOCAL search_path = ''; ");
        script.text.push_str(&catalog::statements_without_names(&catalog::asked(copies.iter(), None), server_version));
        script.text.push_str("; ROLLBACK");
        script
    }

    /// Finds the statement that an error's position points into.
    fn refusal(&self, error: ServerError) -> Refusal {
        let position = error
            .position
            .and_then(|position| self.text.char_indices().nth(position.saturating_sub(1)).map(|(offset, _)| offset));
        let found = position.and_then(|position| {
            self.statements.iter().find(|(at, sql)| (*at..*at + sql.as_str().len()).contains(&position))
        });
        let offset = found.zip(position).map(|((at, _), position)| position - at);
        let statement = found.or(self.statements.first()).map(|(_, sql)| sql.clone()).unwrap_or_default();
        Refusal { error, statement, offset }
    }
}
