//! Whether a plan made earlier is the same as one made now, and if not, why.

use std::collections::BTreeMap;

use super::{Impact, Plan, PlannedChange, Record};
use crate::address::Address;

impl Plan {
    /// Why this plan is out of date, compared with one made now for the same database and declarations; empty if it is
    /// not. Sizes and estimates may differ: they do not change what will run.
    #[must_use]
    pub fn outdated_by(&self, fresh: &Self) -> Vec<String> {
        let mut reasons = between(&self.changes, &fresh.changes);
        if !reasons.is_empty() {
            return reasons;
        }
        if self.session != fresh.session {
            reasons.push("the search path or the schema of the registry has changed".to_owned());
        }
        if self.records != fresh.records {
            reasons.push("the registry's records of unchanged objects have changed".to_owned());
        }
        let of_database =
            |plan: &'_ Self| -> Vec<_> { plan.notes.iter().filter(|note| note.is_relied_on()).cloned().collect() };
        let (ours, theirs) = (of_database(self), of_database(fresh));
        for note in theirs.iter().filter(|note| !ours.contains(note)) {
            reasons.push(note.to_string());
        }
        for note in ours.iter().filter(|note| !theirs.contains(note)) {
            reasons.push(format!("this is no longer true: {note}"));
        }
        if reasons.is_empty() && (self.fingerprint != fresh.fingerprint || self.summary != fresh.summary) {
            reasons.push("the file is not what was planned: it may have been edited".to_owned());
        }
        reasons
    }
}

fn between(ours: &[PlannedChange], theirs: &[PlannedChange]) -> Vec<String> {
    let by_address = |changes: &'_ [PlannedChange]| -> BTreeMap<Address, PlannedChange> {
        changes.iter().map(|change| (change.address.clone(), without_size(change))).collect()
    };
    let (old, new) = (by_address(ours), by_address(theirs));
    let mut reasons = Vec::new();
    for (address, change) in &old {
        match new.get(address) {
            None => reasons.push(format!("{address} no longer needs a change")),
            Some(now) if now.before != change.before => reasons.push(format!("{address} has changed")),
            Some(now) if now.relies_on != change.relies_on => {
                reasons.push(format!("something that {address} depends on has changed"));
            }
            Some(now) if now != change => reasons.push(format!("{address} would now be changed in another way")),
            Some(_) => {}
        }
    }
    reasons.extend(new.keys().filter(|address| !old.contains_key(address)).map(|a| format!("{a} needs a change now")));
    let order = |changes: &[PlannedChange]| changes.iter().map(|change| change.address.clone()).collect::<Vec<_>>();
    if reasons.is_empty() && order(ours) != order(theirs) {
        reasons.push("the changes would now run in another order".to_owned());
    }
    reasons
}

/// The change without values that differ between plannings but do not change what will run: sizes, estimates, and the
/// server's print of what is not built yet, which a role without temporary tables cannot know.
fn without_size(change: &PlannedChange) -> PlannedChange {
    let impact = Impact::unknown(&change.impact.relation.name);
    let mut change = PlannedChange { impact, ..change.clone() };
    if !change.steps.is_empty() {
        for record in &mut change.records {
            if let Record::Manage(entry) = record {
                entry.definition.clone_from(&entry.declared);
                entry.basis = None;
            }
        }
    }
    change
}
