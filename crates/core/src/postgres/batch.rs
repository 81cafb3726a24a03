//! Statements that go to a server in one round trip, by the simple query protocol: all of them, or none after the first
//! that is refused. Who sends them is left to whoever has a connection.

use std::{collections::BTreeMap, future::Future};

use serde::de::DeserializeOwned;

use super::{
    name::{Ident, Named, QualifiedName},
    rows::{DecodeError, Rows},
    sql::Sql,
};

/// Statements in their order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    text: String,
    /// Where each statement begins, in bytes.
    starts: Vec<usize>,
}

/// A statement of a batch, to take its answer by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked(usize);

/// What a server answered to a batch.
#[derive(Debug, Default)]
pub struct Answers {
    results: Vec<Option<Rows>>,
}

/// What a server reports of a statement that it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// SQLSTATE, such as `42703`.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
    /// Characters into the statements that were sent, from 1.
    pub position: Option<usize>,
}

/// Somebody who carries batches to a server.
pub trait Ask {
    /// What can go wrong on the way, or with an answer.
    type Error: From<DecodeError>;

    /// Sends a batch in one round trip.
    ///
    /// # Errors
    /// The server refused a statement, or the connection broke.
    fn send(&mut self, batch: &Batch) -> impl Future<Output = Result<Answers, Self::Error>>;

    /// What the server said, where it was the server that refused a statement.
    ///
    /// # Errors
    /// It was something else.
    fn refusal(error: Self::Error) -> Result<Box<ServerError>, Self::Error>;

    /// The error that a refused statement is.
    fn refused(error: Box<ServerError>) -> Self::Error;

    /// `server_version_num`.
    fn server_version(&self) -> u32;
}

/// What a session of ours assumes: settings that decide how the server reads and prints, or how long we may stand in
/// others' way.
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
    // A reader that a server setting would end in the midst of its snapshot.
    "idle_in_transaction_session_timeout = '5min'",
];

impl Batch {
    /// A transaction that brings its own settings. A transaction pooler hands the connection to somebody else afterwards,
    /// who must find nothing of ours on it.
    #[must_use]
    pub fn begin(begin: &'static str) -> Self {
        let mut batch = Self::default();
        batch.run(begin);
        for setting in SETTINGS {
            batch.run(format!("SET LOCAL {setting}"));
        }
        batch
    }

    /// The same, which writes nothing.
    #[must_use]
    pub fn begin_reading() -> Self {
        Self::begin("BEGIN READ ONLY")
    }

    /// Adds a statement whose answer says nothing. The text is a constant, or comes from the writer of SQL.
    pub fn run(&mut self, statement: impl AsRef<str>) {
        self.ask(statement);
    }

    /// Adds a query.
    pub fn ask(&mut self, query: impl AsRef<str>) -> Asked {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.starts.push(self.text.len());
        self.text.push_str(query.as_ref());
        Asked(self.starts.len() - 1)
    }

    /// Names are looked up here from now on, to the end of the transaction.
    pub fn look_up_in(&mut self, search_path: &[Ident]) {
        self.run(Sql::new("SET LOCAL search_path = ").search_path(search_path));
    }

    /// What is sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The statement that a server points into, and how many bytes from its beginning.
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

    /// The rows of a statement, which are taken once.
    ///
    /// # Errors
    /// There is no result: whoever asked or sent has made a mistake. A query without rows has an empty one.
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
    /// Whether it says nothing about what was asked, but about who asks: insufficient privilege for temporary objects, a
    /// read-only transaction, a lock that was not to be had, no memory.
    #[must_use]
    pub fn is_about_us(&self) -> bool {
        let about_our_rights = ["temporary", "schema", "table", "relation"];
        match self.code.as_str() {
            "25006" | "55P03" | "57014" | "53200" => true,
            // What a role may not do with a function or type is a matter of the definition.
            "42501" => about_our_rights.iter().any(|what| self.message.contains(what)),
            _ => false,
        }
    }

    /// The message, with its detail in brackets.
    #[must_use]
    pub fn with_detail(&self) -> String {
        let detail = self.detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{}{detail}", self.message)
    }
}

/// Ends a transaction that a refused statement has broken. Where the server did not even parse the batch, there is no
/// transaction; it says so and that is all.
///
/// # Errors
/// The connection broke.
pub async fn roll_back<S: Ask>(server: &mut S) -> Result<(), S::Error> {
    let mut batch = Batch::default();
    batch.run("ROLLBACK");
    server.send(&batch).await.map(drop)
}

/// Sends a batch; inside, what the server refused about it, which leaves a broken transaction behind. A refusal that says
/// nothing about the batch is an error.
///
/// # Errors
/// The connection broke, or the server refused for a reason that lies with who asks.
pub async fn judged<S: Ask>(server: &mut S, batch: &Batch) -> Result<Result<Answers, Box<ServerError>>, S::Error> {
    let error = match server.send(batch).await {
        Ok(answers) => return Ok(Ok(answers)),
        Err(error) => error,
    };
    let refused = S::refusal(error)?;
    if refused.is_about_us() { Err(S::refused(refused)) } else { Ok(Err(refused)) }
}

/// Asks one query in a transaction of its own, which writes nothing, with names looked up along `search_path`.
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
