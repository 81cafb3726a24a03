//! Statements that go to a server in one round trip, by the simple query protocol. The server executes all of them, or
//! those before the first one that it refuses. This module does not send them: the caller has the connection.

use std::{collections::BTreeMap, future::Future};

use serde::de::DeserializeOwned;

use super::{
    name::{Ident, Named, QualifiedName},
    rows::{DecodeError, Rows},
    sql::Sql,
};

/// Statements in the order of execution.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    text: String,
    /// The byte offset at which each statement begins.
    starts: Vec<usize>,
}

/// Identifies a statement of a batch, to read its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked(usize);

/// What a server answered to a batch.
#[derive(Debug, Default)]
pub struct Answers {
    results: Vec<Option<Rows>>,
}

/// The error that a server reports for a statement that it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, such as `42703`.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// The detail of the message.
    pub detail: Option<String>,
    /// The server's hint.
    pub hint: Option<String>,
    /// Where the error is: a position in the text that was sent, in characters from 1.
    pub position: Option<usize>,
}

/// Sends batches to a server.
pub trait Ask {
    /// The connection fails, the server refuses a statement, or an answer cannot be read.
    type Error: From<DecodeError>;

    /// Sends a batch in one round trip.
    ///
    /// # Errors
    /// The server refused a statement, or the connection broke.
    fn send(&mut self, batch: &Batch) -> impl Future<Output = Result<Answers, Self::Error>>;

    /// The server's report, if the error is a refused statement.
    ///
    /// # Errors
    /// The error has another cause; it is returned unchanged.
    fn refusal(error: Self::Error) -> Result<Box<ServerError>, Self::Error>;

    /// Makes the error for a refused statement.
    fn refused(error: Box<ServerError>) -> Self::Error;

    /// `server_version_num`.
    fn server_version(&self) -> u32;
}

/// The settings of each session: they decide how the server reads and prints, and how long it may block others.
pub const SETTINGS: [&str; 14] = [
    "search_path = ''",
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "IntervalStyle = 'postgres'",
    "quote_all_identifiers = off",
    "extra_float_digits = 1",
    "bytea_output = 'hex'",
    "client_min_messages = warning",
    "lock_timeout = '2s'",
    "statement_timeout = '5min'",
    "jit = off",
    "work_mem = '64MB'",
    "max_parallel_workers_per_gather = 0",
    // A setting of the server could otherwise end the session while it still reads its snapshot.
    "idle_in_transaction_session_timeout = '5min'",
];

impl Batch {
    /// Begins a transaction with its own settings. A transaction pooler gives the connection to another client
    /// afterwards, so no setting may outlive the transaction.
    #[must_use]
    pub fn begin(begin: &'static str) -> Self {
        let mut batch = Self::default();
        batch.run(begin);
        for setting in SETTINGS {
            batch.run(format!("SET LOCAL {setting}"));
        }
        batch
    }

    /// Begins a read-only transaction with the same settings.
    #[must_use]
    pub fn begin_reading() -> Self {
        Self::begin("BEGIN READ ONLY")
    }

    /// Adds a statement whose answer nobody reads. The text is a constant, or the SQL writer made it.
    pub fn run(&mut self, statement: impl AsRef<str>) {
        self.ask(statement);
    }

    /// Adds a query. The handle takes its answer.
    pub fn ask(&mut self, query: impl AsRef<str>) -> Asked {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.starts.push(self.text.len());
        self.text.push_str(query.as_ref());
        Asked(self.starts.len() - 1)
    }

    /// Sets where names are looked up for the rest of the transaction.
    pub fn look_up_in(&mut self, search_path: &[Ident]) {
        self.run(Sql::new("SET LOCAL search_path = ").search_path(search_path));
    }

    /// The text that is sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the batch has no statements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The statement that an error points into, and the offset in that statement in bytes.
    #[must_use]
    pub fn pointed_at(&self, error: &ServerError) -> Option<(Asked, usize)> {
        let characters = error.position?.checked_sub(1)?;
        let mut ends = self.text.char_indices().map(|(offset, _)| offset).chain([self.text.len()]);
        let offset = ends.nth(characters)?;
        let statement = self.starts.partition_point(|start| *start <= offset).checked_sub(1)?;
        Some((Asked(statement), offset - self.starts[statement]))
    }
}

impl Answers {
    /// Adds the result of the next statement.
    pub fn push(&mut self, rows: Rows) {
        self.results.push(Some(rows));
    }

    /// Takes the rows of a statement; each statement has its rows taken only once. A query without rows has an empty
    /// result.
    ///
    /// # Errors
    /// The statement has no result: the caller has asked for it twice, or the sender has lost it.
    pub fn take(&mut self, asked: Asked) -> Result<Rows, DecodeError> {
        self.results.get_mut(asked.0).and_then(Option::take).ok_or(DecodeError::Statement(asked.0 + 1))
    }

    /// What a query tells, a JSON text in each row, by the name of what that is about.
    ///
    /// # Errors
    /// As [`Answers::take`]; or a row is something else.
    pub fn by_name<T: DeserializeOwned + Named>(
        &mut self,
        asked: Asked,
    ) -> Result<BTreeMap<QualifiedName, T>, DecodeError> {
        let objects = self.take(asked)?.objects()?.into_iter();
        Ok(objects.map(|object: T| (object.name().clone(), object)).collect())
    }
}

impl ServerError {
    /// Whether the error says nothing about the statement, but about this session: it may not create temporary objects,
    /// its transaction is read-only, it did not get a lock, or the memory is exhausted.
    #[must_use]
    pub fn is_about_us(&self) -> bool {
        let about_our_rights = ["temporary", "schema", "table", "relation"];
        match self.code.as_str() {
            "25006" | "55P03" | "57014" | "53200" => true,
            // Insufficient privilege for a function or a type depends on the definition.
            "42501" => about_our_rights.iter().any(|what| self.message.contains(what)),
            _ => false,
        }
    }

    /// The message, followed by its detail in parentheses.
    #[must_use]
    pub fn with_detail(&self) -> String {
        let detail = self.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{}{detail}", self.message)
    }
}

/// Ends a transaction that a refused statement has aborted. If the server did not even parse the batch, there is no
/// transaction, and the server only warns about that.
///
/// # Errors
/// The connection broke.
pub async fn roll_back<S: Ask>(server: &mut S) -> Result<(), S::Error> {
    let mut batch = Batch::default();
    batch.run("ROLLBACK");
    server.send(&batch).await.map(drop)
}

/// Sends a batch. The inner error is the server's objection to the batch; the transaction is aborted then.
///
/// # Errors
/// The connection broke, or the server refused for a reason that has nothing to do with the batch
/// ([`ServerError::is_about_us`]).
pub async fn judged<S: Ask>(server: &mut S, batch: &Batch) -> Result<Result<Answers, Box<ServerError>>, S::Error> {
    let error = match server.send(batch).await {
        Ok(answers) => return Ok(Ok(answers)),
        Err(error) => error,
    };
    let refused = S::refusal(error)?;
    if refused.is_about_us() { Err(S::refused(refused)) } else { Ok(Err(refused)) }
}

/// Sends one query in a read-only transaction of its own, with names looked up along `search_path`.
///
/// # Errors
/// The server refused it, or the connection broke.
pub async fn ask_alone<S: Ask>(
    server: &mut S,
    search_path: &[Ident],
    query: impl AsRef<str>,
) -> Result<Rows, S::Error> {
    let mut batch = Batch::begin_reading();
    batch.look_up_in(search_path);
    let asked = batch.ask(query);
    batch.run("COMMIT");
    Ok(server.send(&batch).await?.take(asked)?)
}

/// Asks what a query tells about some names, as [`Answers::by_name`]; nothing, where there are none.
///
/// # Errors
/// The server refused it, or the connection broke.
pub async fn ask_about<S: Ask, T: DeserializeOwned + Named>(
    server: &mut S,
    names: &[&QualifiedName],
    query: impl FnOnce(&[&QualifiedName]) -> Sql,
) -> Result<BTreeMap<QualifiedName, T>, S::Error> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut batch = Batch::default();
    let asked = batch.ask(query(names));
    Ok(server.send(&batch).await?.by_name(asked)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_found_in_its_statement() {
        let mut batch = Batch::default();
        batch.run("SELECT 'é'");
        let second = batch.ask("SELECT oops");
        assert_eq!(batch.text(), "SELECT 'é'; SELECT oops");
        let error = |position| ServerError {
            code: "42703".to_owned(),
            message: String::new(),
            detail: None,
            hint: None,
            position: Some(position),
        };
        assert_eq!(batch.pointed_at(&error(20)), Some((second, 7)));
        assert_eq!(batch.pointed_at(&error(99)), None);
    }

    #[test]
    fn a_missing_result_is_an_error_and_an_empty_one_is_not() {
        let mut batch = Batch::default();
        let (first, second) = (batch.ask("SELECT 1 WHERE false"), batch.ask("SELECT 2"));
        let mut answers = Answers::default();
        answers.push(Rows::default());
        assert_eq!(answers.take(first), Ok(Rows::default()));
        assert_eq!(answers.take(second), Err(DecodeError::Statement(2)));
        assert_eq!(answers.take(first), Err(DecodeError::Statement(1)));
    }
}
