//! Two applies of one project at once: one works, the other one says so and goes.

use std::thread::{scope, sleep};

use super::{
    scenario::{Scenario, drop_database, moments},
    site::Site,
};
use crate::common::{Run, newest};

/// The second one found it done, its plan overtaken, or the first one at work.
const SECOND: [i32; 3] = [0, 3, 6];

#[test]
fn of_two_applies_at_once_one_works() {
    let (server, scenario) = (newest().server(), Scenario::shared(newest()));
    for (round, delay) in moments(6, scenario.takes).enumerate() {
        let copy = scenario.copy(server);
        let site = Site { server, name: &copy };
        let url = site.url();
        // The first rounds start both at the same moment.
        let delay = if round < 3 { delay / 100 } else { delay };
        let mut runs = scope(|scope| {
            let first = scope.spawn(|| Run::of(&mut scenario.apply(&url)));
            sleep(delay);
            [Run::of(&mut scenario.apply(&url)), first.join().unwrap()]
        });
        runs.sort_by_key(|run| run.code);
        eprintln!("round {round}, {delay:?} apart: exit codes {} and {}", runs[0].code, runs[1].code);
        assert_eq!(runs[0].code, 0, "neither worked: {}\n{}", runs[0], runs[1]);
        assert!(SECOND.contains(&runs[1].code), "{}\n{}", runs[0], runs[1]);
        scenario.expect_as_undisturbed(&site);
        let applied = "SELECT count(*) FROM reconcile.run WHERE outcome <> 'done'";
        assert_eq!(site.sql(applied), "0");
        assert!(!server.log().lines().any(|line| line.contains("deadlock detected") && line.contains(&copy)));
        drop_database(server, &copy);
    }
}
