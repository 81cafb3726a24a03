//! The connection that a run works on: what it is checked for, and how a batch runs on it, again where somebody was in
//! the way.

use std::time::Duration;

use reconcile_apply::{retry::Retries, sqlstate::ErrorKind};
use reconcile_core::{
    kinds::retention::{CutOff, Rule, preflight::Refused, scene::Scene},
    postgres::sql::Sql,
};
use reconcile_live::{LiveError, Session, retention::facts_of, settings};
use sea_orm::sqlx::{Row as _, postgres::PgRow};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    Options,
    event::{Event, Outcome, Verdict},
    files::Archive,
    record::Line,
};

/// Why a rule ended before it was through.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The user wants it, or its time is over.
    Stopped(String),
    /// A lock was not to be had.
    Blocked(String),
    /// The connection is gone.
    Lost(String),
    /// Limits forbid it.
    Beyond(Refused),
    /// Somebody else is at it.
    Overlap(Refused),
    /// What has to come before it came to this, so that it was not begun.
    Held(Verdict, Refused),
    /// It cannot go on.
    Failed(Refused),
}

/// Why a batch is taken back.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection or the server failed.
    Live(LiveError),
    /// Rows did not come to where they were to move.
    Refused(Refused),
}

/// What a batch came to.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    /// Rows that it found.
    pub(crate) found: u64,
    /// Where the last of them lies.
    pub(crate) last: Option<String>,
    /// Rows that went.
    pub(crate) gone: u64,
    /// How long it took.
    pub(crate) took: Duration,
}

/// The connection of a run.
pub(crate) struct RunContext<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) options: &'a Options,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) tell: &'a mut dyn FnMut(Event<'_>),
    /// Where rows go that batches hand over.
    pub(crate) files: Option<Archive>,
}

impl RunContext<'_> {
    /// Makes the connection what batches expect.
    pub(crate) async fn prepare(&mut self) -> Result<(), LiveError> {
        settings::take(self.session, &self.options.search_path).await?;
        let lock = self.options.lock_timeout.as_millis().max(1);
        self.session.batch(&format!("SET lock_timeout = {lock}")).await.map(drop)
    }

    /// Reads what a rule touches.
    pub(crate) async fn scene(&mut self, rule: &Rule) -> Result<Scene, Ended> {
        scene(self.session, rule).await
    }

    /// The point in time that rows must lie before, for a run that began at `now`.
    pub(crate) async fn cut_off(&mut self, rule: &Rule, scene: &Scene, now: &str) -> Result<CutOff, Ended> {
        Ok(cut_off(self.session, rule, scene, now).await?)
    }

    /// Seals the files that rows went to. Where the connection is gone, the next run sees what its last word was.
    pub(crate) async fn seal(&mut self) -> Result<(), Ended> {
        match self.files.take() {
            Some(files) => Ok(files.close(self.session, &self.options.registry, &self.options.root).await?),
            None => Ok(()),
        }
    }

    /// Runs a batch of at most `most` rows and counts it, both in one transaction. Again, where somebody else was in
    /// the way. `None`: it was more, and is taken back.
    pub(crate) async fn batch(&mut self, sql: &Sql, most: u32, line: &mut Line) -> Result<Option<Counts>, Ended> {
        let mut retries = Retries::new(self.options.retries);
        loop {
            let error = match self.attempt(sql, most, line).await {
                Ok(counts) => return Ok(counts),
                Err(Broken::Live(error)) => error,
                Err(Broken::Refused(refused)) => {
                    drop(self.session.batch("ROLLBACK").await);
                    return Err(refused.into());
                }
            };
            // A broken connection rolls back by itself.
            drop(self.session.batch("ROLLBACK").await);
            match ErrorKind::of(&error) {
                ErrorKind::Lock => self.pause_before_retry(&mut retries, &error).await?,
                ErrorKind::ConnectionLost | ErrorKind::Timeout | ErrorKind::Other => return Err(error.into()),
            }
        }
    }

    /// Waits until a statement that did not get its lock may be tried again. An error: it may not.
    pub(crate) async fn pause_before_retry(&mut self, retries: &mut Retries, error: &LiveError) -> Result<(), Ended> {
        let Some(retry) = retries.next_retry().filter(|_| !self.is_stopped()) else {
            return Err(Ended::Blocked(error.to_string()));
        };
        (self.tell)(Event::Waits(format!("{error}; {retry}")));
        sleep(retry.pause).await;
        Ok(())
    }

    /// The user wants to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn attempt(&mut self, sql: &Sql, most: u32, line: &mut Line) -> Result<Option<Counts>, Broken> {
        let began = Instant::now();
        let batch = format!("BEGIN ISOLATION LEVEL READ COMMITTED; {sql}");
        let (row, taken) = match &mut self.files {
            Some(files) => (Some(files.take(self.session, &self.options.registry, &batch, most).await?), 0),
            None => self.session.tally(&batch).await?,
        };
        let count = |row: &PgRow, index: usize| -> Result<u64, LiveError> {
            let count: i64 = row.try_get(index)?;
            Ok(u64::try_from(count).unwrap_or(0))
        };
        let (found, last, gone, kept) = match &row {
            Some(row) => (count(row, 0)?, row.try_get(1).map_err(LiveError::from)?, count(row, 2)?, count(row, 3)?),
            // A plain DELETE.
            None => (taken, None, taken, taken),
        };
        if gone > u64::from(most) {
            self.session.batch("ROLLBACK").await?;
            return Ok(None);
        }
        if gone != kept {
            return Err(Broken::Refused(Refused {
                message: format!("{gone} rows were to move and {kept} arrived; the batch is taken back"),
                hint: "a trigger or rule of the table that they move to drops rows".to_owned(),
            }));
        }
        let counted = line.after(gone, began.elapsed());
        let archived = self.files.as_ref().and_then(|files| files.noted(&self.options.registry));
        let noted: Vec<_> = archived.into_iter().chain([counted.noted(self.options)]).collect();
        self.session.batch(&format!("{}; COMMIT", noted.join("; "))).await?;
        if let Some(files) = &mut self.files {
            files.committed();
        }
        *line = counted;
        let on_disk = self.files.as_ref().map_or(Duration::ZERO, Archive::on_disk);
        Ok(Some(Counts { found, last, gone, took: began.elapsed().saturating_sub(on_disk) }))
    }
}

/// What a rule touches, as it is found.
pub(crate) async fn scene(session: &mut Session, rule: &Rule) -> Result<Scene, Ended> {
    Ok(rule.scene(&facts_of(session, &rule.tables()).await?)?)
}

pub(crate) async fn cut_off(session: &mut Session, rule: &Rule, scene: &Scene, now: &str) -> Result<CutOff, LiveError> {
    let text = text(session, CutOff::query(rule, scene.clock, now).as_str()).await?;
    Ok(CutOff::new(scene.clock, text))
}

/// The one value of a query.
pub(crate) async fn text(session: &mut Session, sql: &str) -> Result<String, LiveError> {
    match session.row(sql).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Err(LiveError::Connection("a query gave no row".to_owned())),
    }
}

/// The one number of a query.
pub(crate) async fn number(session: &mut Session, sql: &str) -> Result<u64, LiveError> {
    match session.row(sql).await? {
        Some(row) => Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0)),
        None => Err(LiveError::Connection("a query gave no row".to_owned())),
    }
}

impl From<LiveError> for Ended {
    fn from(error: LiveError) -> Self {
        if ErrorKind::of(&error) == ErrorKind::ConnectionLost {
            return Self::Lost(error.to_string());
        }
        let hint = error.server().and_then(|server| server.hint.clone()).unwrap_or_default();
        let detail = error.server().and_then(|server| server.detail.as_ref());
        let message = match detail {
            Some(detail) => format!("{error}: {detail}"),
            None => error.to_string(),
        };
        Self::Failed(Refused { message, hint })
    }
}

impl From<LiveError> for Broken {
    fn from(error: LiveError) -> Self {
        Self::Live(error)
    }
}

impl From<Refused> for Broken {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Broken> for Ended {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Live(error) => error.into(),
            Broken::Refused(refused) => refused.into(),
        }
    }
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Failed(refused)
    }
}

impl Ended {
    /// Another run of the same rule is at work.
    pub(crate) fn overlap(holder: &str) -> Self {
        let message = format!("another run of this rule is at work: {holder}");
        Self::Overlap(Refused { message, hint: "wait for its end".to_owned() })
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Stopped(_) | Self::Blocked(_) | Self::Lost(_) => Verdict::Incomplete,
            Self::Beyond(_) => Verdict::Beyond,
            Self::Overlap(_) => Verdict::Overlap,
            Self::Held(verdict, _) => *verdict,
            Self::Failed(_) => Verdict::Failed,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Stopped(_) | Self::Blocked(_) | Self::Lost(_) => Outcome::Stopped,
            Self::Beyond(_) | Self::Overlap(_) | Self::Held(..) => Outcome::Skipped,
            Self::Failed(_) => Outcome::Failed,
        }
    }

    /// What is said and recorded, with what to do about it.
    pub(crate) fn said(&self) -> (String, String) {
        match self {
            Self::Stopped(message) | Self::Blocked(message) | Self::Lost(message) => {
                (message.clone(), "run it again to go on".to_owned())
            }
            Self::Overlap(refused) | Self::Beyond(refused) | Self::Held(_, refused) | Self::Failed(refused) => {
                (refused.message.clone(), refused.hint.clone())
            }
        }
    }
}
