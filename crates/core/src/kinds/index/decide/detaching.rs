//! Partitions that get no part of an index, because they are being detached.

use super::{Change, Decider, Decision};
use crate::change::Note;

impl Decider<'_, '_> {
    /// Names the partitions that get no part, because their detach has not come to its end.
    pub(super) fn detaching(&mut self) {
        let below = self.view.live.below(self.relation);
        let over: Vec<_> = std::iter::once(self.relation).chain(below).filter(|r| !r.detaching.is_empty()).collect();
        let builds = |change: &&Change<'_>| {
            matches!(
                change.what,
                Decision::Create(_) | Decision::Replace(..) | Decision::Rebuild(_, _) | Decision::Complete(..)
            )
        };
        for change in self.out.changes.iter().filter(builds) {
            for parent in &over {
                for partition in &parent.detaching {
                    let text = format!(
                        "{partition} is left out: it is being detached from {}; if nobody does that at the moment, end it \
                         with ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                        parent.name,
                        parent.name.quoted(),
                        partition.quoted()
                    );
                    self.out.notes.push(Note::new(change.address.clone(), text));
                }
            }
        }
    }
}
