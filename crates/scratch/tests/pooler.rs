//! A pooler in front of a real server, where this machine has one.

use std::process::Command;

use reconcile_scratch::{Options, PoolMode, Pooler, ScratchError, Server, find};

#[test]
fn clients_reach_the_server_through_it_until_it_is_dropped() {
    let server = Server::start(&find().unwrap(), Options::default()).unwrap();
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = match Pooler::start(&server, mode, 1) {
            Ok(pooler) => pooler,
            Err(error @ ScratchError::NoProgram { .. }) => return eprintln!("skipped: {error}"),
            Err(error) => panic!("{error}"),
        };
        let psql = server.installation().program("psql").unwrap();
        let ask =
            || Command::new(&psql).args(["-X", "-At", "-c", "SELECT 42", &pooler.url("postgres")]).output().unwrap();
        let output = ask();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{}", String::from_utf8_lossy(&output.stderr));
        let url = pooler.url("postgres");
        drop(pooler);
        assert!(!Command::new(&psql).args(["-X", "-c", "SELECT", &url]).output().unwrap().status.success());
    }
}
