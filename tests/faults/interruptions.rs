//! An apply that is killed, whose server stops, or whose connections are cut, and that is run again.

use std::env;
use std::process::{Child, Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use reconcile_scratch::{Options, Server, StopMode};

use super::{
    scenario::{Scenario, drop_database, moments},
    site::Site,
};
use crate::common::{Run, Version, newest, versions};

/// What a client comes to when it loses its server: done before, incomplete, or not even begun.
const LOST: [i32; 3] = [0, 1, 5];

pub(super) fn rounds(default: u32) -> u32 {
    env::var("FAULT_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

#[test]
fn a_killed_apply_goes_on_where_it_stopped() {
    kill(newest(), rounds(8));
}

#[test]
fn a_killed_apply_goes_on_where_it_stopped_on_the_oldest_version() {
    kill(&versions()[0], rounds(4));
}

fn kill(version: &'static Version, rounds: u32) {
    let (server, scenario) = (version.server(), Scenario::shared(version));
    let mut killed = 0;
    for (round, moment) in moments(rounds, scenario.takes).enumerate() {
        let copy = scenario.copy(server);
        let site = Site { server, name: &copy };
        let mut client = start(&mut scenario.apply(&site.url()));
        sleep(moment);
        killed += u32::from(client.try_wait().unwrap().is_none());
        // What it said is lost with it; nobody reads what a killed program said.
        client.kill().unwrap();
        client.wait().unwrap();
        eprintln!("round {round} on {}: killed after {moment:?} of {:?}", version.major(), scenario.takes);
        // Every other time the next run starts while the server may still do what the killed one asked for.
        if round % 2 == 0 {
            site.wait_for_orphans();
            Scenario::expect_truthful_history(&site);
        }
        scenario.finish(&site);
        scenario.expect_as_undisturbed(&site);
        drop_database(server, &copy);
    }
    assert!(killed > 0, "every apply was over before it could be killed");
}

pub(super) fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn an_apply_survives_the_crash_of_its_server() {
    // As everywhere where data counts: what is committed is still there after the crash.
    let options = Options::default().with("autovacuum", "off").with("synchronous_commit", "on");
    let mut server = Server::start(newest().installation(), options).unwrap();
    let scenario = Scenario::new(&server);
    for (round, moment) in moments(rounds(5), scenario.takes).enumerate() {
        let copy = scenario.copy(&server);
        // A sequence that was copied counts on what its original wrote to the log, and forgets in a crash.
        server.psql("postgres", "CHECKPOINT").unwrap();
        let mut apply = scenario.apply(&server.url(&copy));
        let run = scope(|scope| {
            let client = scope.spawn(|| Run::of(&mut apply));
            sleep(moment);
            server.stop(StopMode::Immediate).unwrap();
            let stopped = Instant::now();
            let run = client.join().unwrap();
            let hung = stopped.elapsed();
            assert!(hung < Duration::from_secs(10), "it noticed after {hung:?}: {run}");
            run
        });
        eprintln!("round {round}: stopped after {moment:?} of {:?}: exit code {}", scenario.takes, run.code);
        assert!(LOST.contains(&run.code), "{run}");
        server.start_again().unwrap();
        let site = Site { server: &server, name: &copy };
        Scenario::expect_truthful_history(&site);
        scenario.finish(&site);
        scenario.expect_as_undisturbed(&site);
        drop_database(&server, &copy);
    }
}

/// Which sessions of the program are cut: all, the one that applies, the one that looks on.
const CUT: [&str; 3] = ["true", "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')", APPLIES_NOT];
const APPLIES_NOT: &str = "pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')";

#[test]
fn an_apply_survives_the_loss_of_its_connections() {
    let (server, scenario) = (newest().server(), Scenario::shared(newest()));
    for (round, moment) in moments(rounds(6), scenario.takes).enumerate() {
        let copy = scenario.copy(server);
        let site = Site { server, name: &copy };
        let mut apply = scenario.apply(&site.url());
        let mut visitor = site.visitor();
        let (cut, run) = scope(|scope| {
            let client = scope.spawn(|| Run::of(&mut apply));
            sleep(moment);
            let cut = visitor.ask(&format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE application_name = 'reconcile' AND datname = current_database() AND {}",
                CUT[round % CUT.len()]
            ));
            (cut, client.join().unwrap())
        });
        eprintln!("round {round}: {cut} cut after {moment:?} of {:?}: exit code {}", scenario.takes, run.code);
        assert!(LOST.contains(&run.code), "{run}");
        drop(visitor);
        site.wait_for_orphans();
        Scenario::expect_truthful_history(&site);
        scenario.finish(&site);
        scenario.expect_as_undisturbed(&site);
        drop_database(server, &copy);
    }
}
