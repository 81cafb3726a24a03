//! One connection, and the number of its round trips.

use futures_util::TryStreamExt as _;
use reconcile_core::postgres::{
    batch::{Answers, Ask, Batch, ServerError},
    rows,
};
use sea_orm::sqlx::{
    self, AssertSqlSafe, Connection as _, Either, PgConnection, Row as _, ValueRef as _,
    postgres::{PgQueryResult, PgRow},
};

use crate::{connect::Target, error::LiveError};

/// A connection. Settings, locks and temporary objects stay on it.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    round_trips: u32,
    target: Target,
}

/// The rows of one statement of a batch.
pub type Rows = Vec<PgRow>;

impl Session {
    /// Connects. The first batch has to set the session's parameters.
    ///
    /// # Errors
    /// There is no connection within the time that the target allows.
    pub async fn connect(target: &Target) -> Result<Self, LiveError> {
        let connection = target.connect().await?;
        Ok(Self { connection, round_trips: 0, target: target.clone() })
    }

    /// A second connection to the same database, to watch this one while it works.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub async fn another(&self) -> Result<Self, LiveError> {
        Self::connect(&self.target).await
    }

    /// Runs statements in one round trip, by the simple query protocol. After the first error, none of the others runs.
    /// The text must come from the writer of `core` or be a constant, because this protocol has no parameters.
    ///
    /// # Errors
    /// The server refused a statement, or the connection broke.
    pub async fn batch(&mut self, sql: &str) -> Result<Vec<Rows>, LiveError> {
        let (mut results, mut rows) = (Vec::new(), Vec::new());
        let take = |item| {
            match item {
                Either::Left(_) => results.push(std::mem::take(&mut rows)),
                Either::Right(row) => rows.push(row),
            }
            Ok(())
        };
        self.run(sql, take).await.map(|()| results)
    }

    /// Runs statements like [`Session::batch`], and passes on each row as it arrives. It is for more rows than fit well
    /// in memory.
    ///
    /// # Errors
    /// As [`Session::batch`], or `take` refused a row. The rows after that are not read.
    pub async fn each<E: From<LiveError>>(
        &mut self,
        sql: &str,
        mut take: impl FnMut(PgRow) -> Result<(), E>,
    ) -> Result<(), E> {
        self.run(sql, |item| item.right().map_or(Ok(()), &mut take)).await
    }

    /// Runs statements in one round trip, and passes on each row and the end of each statement as it arrives.
    async fn run<E: From<LiveError>>(
        &mut self,
        sql: &str,
        mut take: impl FnMut(Either<PgQueryResult, PgRow>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.round_trips += 1;
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(&mut self.connection);
        while let Some(item) = stream.try_next().await.map_err(LiveError::from)? {
            take(item)?;
        }
        Ok(())
    }

    /// The first row of a batch's answer.
    ///
    /// # Errors
    /// As [`Session::batch`].
    pub async fn row(&mut self, sql: &str) -> Result<Option<PgRow>, LiveError> {
        Ok(self.batch(sql).await?.into_iter().flatten().next())
    }

    /// The number that a counting query returns.
    ///
    /// # Errors
    /// As [`Session::batch`], or there is no row.
    pub async fn number(&mut self, sql: &str) -> Result<u64, LiveError> {
        let number: i64 = self.only_row(sql).await?.try_get(0)?;
        Ok(u64::try_from(number).unwrap_or(0))
    }

    /// The single text that a query returns.
    ///
    /// # Errors
    /// As [`Session::batch`], or there is no row.
    pub async fn text(&mut self, sql: &str) -> Result<String, LiveError> {
        Ok(self.only_row(sql).await?.try_get(0)?)
    }

    async fn only_row(&mut self, sql: &str) -> Result<PgRow, LiveError> {
        self.row(sql).await?.ok_or_else(|| LiveError::Connection("a query returned no row".to_owned()))
    }

    /// The first row of a batch's answer, and the number of rows that its statements report as read or written.
    ///
    /// # Errors
    /// As [`Session::batch`].
    pub async fn tally(&mut self, sql: &str) -> Result<(Option<PgRow>, u64), LiveError> {
        let (mut first, mut taken) = (None, 0);
        let take = |item: Either<PgQueryResult, _>| {
            match item {
                Either::Left(done) => taken += done.rows_affected(),
                Either::Right(row) => first = first.take().or(Some(row)),
            }
            Ok(())
        };
        self.run(sql, take).await.map(|()| (first, taken))
    }

    /// The database that it is connected to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The number of batches that were sent.
    #[must_use]
    pub fn round_trips(&self) -> u32 {
        self.round_trips
    }

    /// `server_version_num`, which the server reports when a session begins.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        self.connection.server_version_num().unwrap_or(0)
    }

    /// Closes the connection properly.
    pub async fn close(self) {
        // The server also notices a connection that ends without this.
        drop(self.connection.close().await);
    }
}

impl Ask for Session {
    type Error = LiveError;

    async fn send(&mut self, batch: &Batch) -> Result<Answers, LiveError> {
        let (mut answers, mut rows) = (Answers::default(), rows::Rows::default());
        let take = |item| match item {
            Either::Left(_) => {
                answers.push(std::mem::take(&mut rows));
                Ok(())
            }
            Either::Right(row) => add(&mut rows, &row),
        };
        self.run(batch.text(), take).await.map(|()| answers)
    }

    fn refusal(error: LiveError) -> Result<Box<ServerError>, LiveError> {
        match error {
            LiveError::Server(error) => Ok(error),
            error => Err(error),
        }
    }

    fn refused(error: Box<ServerError>) -> LiveError {
        LiveError::Server(error)
    }

    fn server_version(&self) -> u32 {
        Self::server_version(self)
    }
}

/// The cells of a row, which the simple query protocol sends as text.
fn add(rows: &mut rows::Rows, row: &PgRow) -> Result<(), LiveError> {
    let mut cells = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        let text = if value.is_null() { None } else { Some(value.as_str().map_err(sqlx::Error::Decode)?) };
        cells.push(text);
    }
    rows.push(cells);
    Ok(())
}
