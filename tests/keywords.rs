//! Holds the list of words that need quotes against what each server says.

use std::collections::BTreeSet;

use reconcile_core::postgres::keywords;

use crate::common::{Database, versions};

#[test]
fn every_word_that_a_server_reserves_is_quoted() {
    for version in versions() {
        let database = Database::new(version);
        let words = database.sql("SELECT word FROM pg_get_keywords() WHERE catcode <> 'U'");
        let ours: BTreeSet<&str> = keywords::words().iter().copied().collect();
        let missing: Vec<_> = words.lines().filter(|word| !ours.contains(word)).collect();
        assert!(missing.is_empty(), "PostgreSQL {} reserves {missing:?} as well", version.major());
    }
}
