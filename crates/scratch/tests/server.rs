//! Real servers: each version that this machine has, two at once, and the ends that a server can come to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use reconcile_scratch::{Options, Server, StopMode, find, local};

fn start() -> Server {
    Server::start(&find().unwrap(), Options::default()).unwrap()
}

#[test]
fn every_local_version_starts() {
    let installations = local();
    assert!(!installations.is_empty());
    for installation in installations {
        let server = Server::start(&installation, Options::default()).unwrap();
        let version = server.psql("postgres", "SHOW server_version_num").unwrap();
        assert_eq!(version.parse::<u32>().unwrap() / 10_000, installation.major());
    }
}

#[test]
fn two_run_at_the_same_time_and_apart() {
    let servers =
        thread::scope(|scope| [scope.spawn(start), scope.spawn(start)].map(|started| started.join().unwrap()));
    for server in &servers {
        server.create_database("own \"one\"").unwrap();
        assert_eq!(server.psql("own \"one\"", "SELECT current_database()").unwrap(), "own \"one\"");
    }
    assert_ne!(servers[0].data_dir(), servers[1].data_dir());
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let server = start();
    let (pid, home) = (server.pid().unwrap(), server.data_dir().parent().unwrap().to_owned());
    assert!(home.exists() && server.log_path().exists());
    drop(server);
    assert!(!home.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_killed_owner_leaves_nothing() {
    const OWNER: &str = "RECONCILE_TEST_OWNER";
    if env::var_os(OWNER).is_some() {
        // This is the owner, in a process of its own: it tells of its server, and waits to be killed.
        let server = start();
        eprintln!("{} {}", server.pid().unwrap(), server.data_dir().display());
        thread::sleep(Duration::from_mins(1));
        return;
    }
    let mut owner = Command::new(env::current_exe().unwrap());
    owner.args(["a_killed_owner_leaves_nothing", "--exact", "--nocapture"]).env(OWNER, "1");
    let mut owner = owner.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(owner.stderr.take().unwrap()).read_line(&mut told).unwrap();
    let (pid, data) = told.trim().split_once(' ').unwrap();
    let (process, home) = (format!("/proc/{pid}"), PathBuf::from(data).parent().unwrap().to_owned());
    assert!(home.exists());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let cleared = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(20));
        !home.exists() && !Path::new(&process).exists()
    });
    assert!(cleared, "{told} is still there");
}

#[test]
fn data_outlives_a_stop_and_a_crash() {
    let options = Options::default().with("work_mem", "5MB").with("fsync", "on").with("port", "6001");
    let mut server = Server::start(&find().unwrap(), options).unwrap();
    assert_eq!(server.psql("postgres", "SHOW work_mem; SHOW fsync; SHOW listen_addresses").unwrap(), "5MB\non\n");
    assert_eq!(server.port(), 6001);
    server.psql("postgres", "CREATE TABLE t AS SELECT 7 AS n").unwrap();
    for mode in [StopMode::Fast, StopMode::Immediate] {
        server.stop(mode).unwrap();
        assert_eq!(server.pid(), None);
        assert!(server.psql("postgres", "SELECT 1").is_err());
        server.start_again().unwrap();
        assert_eq!(server.psql("postgres", "SELECT n FROM t").unwrap(), "7");
    }
    assert!(server.log().contains("was not properly shut down"));
}

#[test]
fn a_standby_follows() {
    let installation = find().unwrap();
    if !installation.has("pg_basebackup") {
        eprintln!("skipped: {} has no pg_basebackup", installation.bin_dir().display());
        return;
    }
    let server = Server::start(&installation, Options::default()).unwrap();
    let standby = server.standby().unwrap();
    assert_eq!(standby.psql("postgres", "SELECT pg_is_in_recovery()").unwrap(), "t");
    server.psql("postgres", "CREATE TABLE t (n int)").unwrap();
    let arrived = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        standby.psql("postgres", "SELECT to_regclass('t') IS NOT NULL").unwrap() == "t"
    });
    assert!(arrived);
}

#[test]
fn a_refused_start_shows_the_log() {
    let options = Options::default().with("shared_buffers", "plenty");
    let error = Server::start(&find().unwrap(), options).unwrap_err();
    assert!(error.to_string().contains("invalid value for parameter \"shared_buffers\""), "{error}");
}

#[test]
fn a_failing_statement_is_told_with_its_line() {
    let error = start().psql("postgres", "SELECT 1;\nSELECT nothing;").unwrap_err();
    assert!(error.to_string().contains(":2: ERROR:  column \"nothing\" does not exist"), "{error}");
}
