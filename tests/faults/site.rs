//! A database of any server, for servers that stop and start while their databases stay.

use std::thread::sleep;
use std::time::{Duration, Instant};

use reconcile_scratch::Server;

use super::visitor::Visitor;
use crate::common::{Project, Run};

const INDEXES: &str = include_str!("../common/indexes.sql");

/// No backend outlives its client by more than this: what it does on its own ends within a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Site<'a> {
    pub(super) server: &'a Server,
    pub(super) name: &'a str,
}

impl Site<'_> {
    /// Runs SQL as superuser and returns its rows, columns parted by `|`.
    pub(super) fn sql(&self, sql: &str) -> String {
        self.server.psql(self.name, sql).unwrap_or_else(|error| panic!("{error}\nin {sql}"))
    }

    pub(super) fn url(&self) -> String {
        self.server.url(self.name)
    }

    pub(super) fn visitor(&self) -> Visitor {
        Visitor::new(self.server.installation(), &self.url())
    }

    /// Every index that is not the system's or the registry's, with all that hangs on it.
    pub(super) fn indexes(&self) -> String {
        self.sql(INDEXES)
    }

    /// Applies with everything allowed, whatever comes of it.
    pub(super) fn try_apply(&self, project: &Project) -> Run {
        project.run_at(&self.url(), &["apply", "--auto-approve", "--allow", "all"])
    }

    /// There is nothing left to do, and nothing left behind.
    pub(super) fn expect_settled(&self, project: &Project) {
        project.run_at(&self.url(), &["plan", "--detailed-exitcode"]).expect(0);
        let indexes = self.indexes();
        for remnant in [" INVALID", " NOT READY", "reconcile_new_", "reconcile_old_"] {
            assert!(!indexes.contains(remnant), "{remnant} in\n{indexes}");
        }
    }

    /// Waits until no session of the program is left: a backend whose client was killed ends its statement first.
    pub(super) fn wait_for_orphans(&self) {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reconcile' \
            AND datname = current_database()";
        self.wait_until("an orphan stays", sessions, "0");
    }

    /// Waits until a query gives this.
    pub(super) fn wait_until(&self, otherwise: &str, query: &str, gives: &str) {
        let end = Instant::now() + PATIENCE;
        let mut visitor = self.visitor();
        while visitor.ask(query) != gives {
            assert!(Instant::now() < end, "{otherwise}");
            sleep(Duration::from_millis(10));
        }
    }
}
