//! The steps of a change of an index. In all of them a valid index exists at every moment, and readers and writers wait no
//! longer than the lock timeout.

use super::{
    BuildMode, Carrier, Definition, Index, IndexState, Live, LiveIndex,
    claims::Claims,
    compare::Alteration,
    decide::can_be_completed,
    names::{building_name, partition_index_name, retired_name},
};
use crate::{
    change::{Effect, Step, TimeLimits, Timeouts, Unfinished},
    hazard::{Hazard, HazardSet},
    postgres::{
        lock::Lock,
        name::{Ident, QualifiedName},
        relation::RelationKind,
        sql::Sql,
    },
};

/// Collects the steps of one change.
pub struct Steps<'c, 'a> {
    live: &'a Live,
    limits: TimeLimits,
    /// The declared definition as the server prints it, to recognise existing parts.
    canonical: Option<&'a Definition>,
    /// The live indexes of partitions that become parts.
    claims: &'c mut Claims,
    collected: Vec<Step>,
    /// Those of them that this change takes, except what an interrupted run has built for it.
    taken_in: Vec<&'a LiveIndex>,
}

impl<'c, 'a> Steps<'c, 'a> {
    /// Begins without steps.
    pub fn new(live: &'a Live, limits: TimeLimits, canonical: Option<&'a Definition>, claims: &'c mut Claims) -> Self {
        Self { live, limits, canonical, claims, collected: Vec::new(), taken_in: Vec::new() }
    }

    /// The steps, and the existing indexes that become parts.
    #[must_use]
    pub fn finish(self) -> (Vec<Step>, Vec<&'a LiveIndex>) {
        (self.collected, self.taken_in)
    }

    /// Builds the index under its own name.
    pub fn create(&mut self, index: &Index, relation: &'a Carrier) {
        self.build(index, &index.name.clone(), relation);
    }

    /// Builds it beside the old one, swaps the names, and drops the old one (docs/pitfalls.md, "Renaming an index blocks
    /// neither reads nor writes"). `ready` is the name of the new one, if it exists already.
    pub fn replace(&mut self, index: &Index, old: &LiveIndex, relation: &'a Carrier, ready: Option<&Ident>) {
        let (building, retired) = (ready.cloned().unwrap_or(building_name(index)), retired_name(index));
        let index = &carried_over(index, &old.index);
        if ready.is_none() {
            self.build(index, &building, relation);
        }
        for (column, target) in &old.statistics {
            self.carry_statistics(index, &building, *column, *target);
        }
        for extension in &old.extensions {
            let alter = Sql::new("ALTER INDEX ").name(&index.table.sibling(building.clone()));
            let sql = alter.raw(" DEPENDS ON EXTENSION ").ident(extension);
            let step = self.brief(sql, Lock::AccessExclusiveLock);
            self.collected.push(Step { hazards: HazardSet::from([Hazard::AccessExclusiveLock]), ..step });
        }
        self.swap(index, old, relation, &building, &retired);
        if old.attached_to.is_some() {
            // A part cannot be dropped by itself. It goes with the whole index, which a later change drops.
            return;
        }
        let old = LiveIndex { index: Index { name: retired, ..old.index.clone() }, ..old.clone() };
        self.drop(&old, relation, HazardSet::from([Hazard::IndexDrop]));
    }

    /// Drops it. `hazards` must be approved.
    pub fn drop(&mut self, old: &LiveIndex, relation: &Carrier, mut hazards: HazardSet) {
        if relation.is_partitioned() {
            // PostgreSQL has no concurrent drop of a partitioned index.
            hazards.insert(Hazard::AccessExclusiveLock);
            let step = self.brief(Sql::new("DROP INDEX ").name(&old.index.relation()), Lock::AccessExclusiveLock);
            self.collected.push(Step { hazards, ..step });
            return;
        }
        let undo = old.index.create(BuildMode::Concurrently);
        let undo = Some(undo).filter(|_| old.state == IndexState::Valid);
        let effect = Effect::IndexGone { table: relation.name.clone(), index: old.index.relation() };
        let step = self.online(old.index.drop_concurrently()).alone(effect);
        self.collected.push(Step { hazards, undo, ..step });
    }

    /// Renames it.
    pub fn rename(&mut self, old: &LiveIndex, to: &Ident, relation: &Carrier) {
        let renames = self.renames(&old.index.name, to, relation, old);
        for (from, to) in renames {
            let step = self.rename_step(&from, &to);
            self.collected.push(step.together(0));
        }
    }

    /// Exchanges the names of indexes by way of temporary names (docs/pitfalls.md, "Names are unique in a schema and have
    /// at most 63 bytes").
    pub fn exchange(&mut self, moves: &[(&LiveIndex, &Index, &Carrier)]) {
        let mut second = Vec::new();
        for (live, wanted, relation) in moves {
            let third = retired_name(&live.index);
            self.rename(live, &third, relation);
            let waiting = LiveIndex { index: Index { name: third, ..live.index.clone() }, ..(*live).clone() };
            second.extend(self.renames_after(&live.index.name, &waiting, &wanted.name, relation));
        }
        for (from, to) in second {
            let step = self.rename_step(&from, &to);
            self.collected.push(step.together(0));
        }
    }

    /// Changes properties in place.
    pub fn alter(&mut self, live: &Index, alterations: &[Alteration]) {
        for alteration in alterations {
            match alteration {
                Alteration::Parameters(change) => {
                    let alter = Sql::new("ALTER INDEX ").name(&live.relation());
                    self.collected.extend(change.steps(&alter, live.with.as_ref(), self.limits));
                }
                Alteration::Comment(comment) => {
                    let before = live.comment.clone().unwrap_or_default();
                    self.comment(live, &live.name, comment, &before);
                }
            }
        }
    }

    /// Completes a partitioned index that is invalid because some partitions have no part of it.
    pub fn complete(&mut self, index: &Index, root: &LiveIndex, relation: &'a Carrier) {
        self.build_partitions(index, &index.name.clone(), relation, Some(root));
    }

    fn build(&mut self, index: &Index, name: &Ident, relation: &'a Carrier) {
        if relation.is_partitioned() && self.live.has_foreign_partition(relation) {
            self.build_over_foreign(index, name, relation);
        } else if relation.is_partitioned() {
            self.build_parent(index, name, relation);
            self.build_partitions(index, name, relation, None);
        } else {
            self.build_concurrently(index, name, &relation.name);
        }
        if let Some(comment) = index.comment.as_ref().filter(|comment| !comment.is_empty()) {
            self.comment(index, name, comment, "");
        }
    }

    fn build_concurrently(&mut self, index: &Index, name: &Ident, table: &QualifiedName) {
        let built = table.sibling(name.clone());
        let step = self.online(index.create_on(name, table, BuildMode::Concurrently));
        self.collected.push(Step {
            hazards: HazardSet::from([Hazard::IndexBuild]),
            undo: Some(Sql::new("DROP INDEX CONCURRENTLY ").name(&built)),
            ..step.alone(Effect::IndexValid { table: table.clone(), index: built })
        });
    }

    fn build_parent(&mut self, index: &Index, name: &Ident, relation: &Carrier) {
        let sql = index.create_on(name, &relation.name, BuildMode::OnlyParent);
        let step = self.brief(sql, Lock::ShareLock);
        let parent = relation.name.sibling(name.clone());
        let undo = Sql::new("DROP INDEX ").name(&parent);
        let unfinished = Unfinished { table: relation.name.clone(), index: parent };
        self.collected.push(Step { undo: Some(undo), unfinished: Some(unfinished), ..step });
    }

    /// Builds the parts first, and the server finds them when it creates the parent. In the other order the parent would
    /// stay invalid, because the server also waits for parts on foreign partitions.
    fn build_over_foreign(&mut self, index: &Index, name: &Ident, relation: &'a Carrier) {
        for partition in relation.partitions.iter().filter_map(|partition| self.live.relations.get(partition)) {
            if partition.kind != RelationKind::Foreign {
                self.part(index, name, partition);
            }
        }
        let step = self.brief(index.create_on(name, &relation.name, BuildMode::Plain), Lock::ShareLock);
        let undo = Sql::new("DROP INDEX ").name(&relation.name.sibling(name.clone()));
        self.collected.push(Step { undo: Some(undo), ..step });
    }

    /// Builds a part on each partition and attaches it. What is attached to `existing` already stays, and is made valid.
    fn build_partitions(&mut self, index: &Index, name: &Ident, relation: &'a Carrier, existing: Option<&LiveIndex>) {
        let (live, before) = (self.live, self.collected.len());
        let parent = relation.name.sibling(name.clone());
        let mut attached = None;
        for partition in live.partitions(relation).filter(|partition| partition.kind != RelationKind::Foreign) {
            if let Some(part) = existing.and_then(|existing| partition.part_of(existing)) {
                self.make_valid(index, part, partition, &parent);
                attached = Some(part.index.relation());
            } else {
                let part = self.part(index, name, partition);
                self.attach(&parent, &partition.name.sibling(part));
            }
        }
        // PostgreSQL looks at the parts when one is attached, and also when that one is attached already.
        if let Some(part) = attached.filter(|_| self.collected.len() == before) {
            self.attach(&parent, &part);
        }
    }

    /// Makes an attached part valid, which can neither be detached nor dropped.
    fn make_valid(&mut self, index: &Index, part: &LiveIndex, partition: &'a Carrier, parent: &QualifiedName) {
        if part.state == IndexState::Valid {
            return;
        }
        if partition.is_partitioned() {
            return self.build_partitions(index, &part.index.name.clone(), partition, Some(part));
        }
        let name = part.index.relation();
        let step = self.online(Sql::new("REINDEX INDEX CONCURRENTLY ").name(&name));
        let effect = Effect::IndexRebuilt { table: partition.name.clone(), index: name.clone() };
        self.collected.push(Step { hazards: HazardSet::from([Hazard::IndexBuild]), ..step.alone(effect) });
        self.attach(parent, &name);
    }

    /// The part on one partition: a suitable index that exists and is free, or a new one.
    fn part(&mut self, index: &Index, name: &Ident, partition: &'a Carrier) -> Ident {
        let part = partition_index_name(name, &partition.name);
        if let Some(free) = self.claims.take(&index.address(), partition, self.canonical, &part) {
            if free.index.name != part {
                self.taken_in.push(free);
            }
            return free.index.name.clone();
        }
        let standing = partition.indexes.get(&part);
        if let Some(remnant) = standing.filter(|live| live.state == IndexState::Invalid && live.attached_to.is_none()) {
            let fits = Some(&remnant.index.definition) == self.canonical;
            if partition.is_partitioned() && fits && can_be_completed(remnant, partition, self.live) {
                self.build_partitions(index, &part, partition, Some(remnant));
                return part;
            }
            self.drop(remnant, partition, HazardSet::new());
        }
        let bare = Index { comment: None, ..index.clone() };
        self.build(&bare, &part, partition);
        part
    }

    fn attach(&mut self, parent: &QualifiedName, part: &QualifiedName) {
        let sql = Sql::new("ALTER INDEX ").name(parent).raw(" ATTACH PARTITION ").name(part);
        let step = self.brief(sql, Lock::ShareUpdateExclusiveLock);
        // It also locks the part itself, which blocks the planning of queries on that table.
        let timeouts = Timeouts { statement_ms: step.timeouts.lock_ms, ..step.timeouts };
        self.collected.push(Step { timeouts, ..step });
    }

    fn swap(&mut self, index: &Index, old: &LiveIndex, relation: &Carrier, building: &Ident, retired: &Ident) {
        let away = self.renames(&old.index.name, retired, relation, old);
        let mut renames = away;
        renames.push((index.table.sibling(building.clone()), index.table.sibling(index.name.clone())));
        if relation.is_partitioned() {
            self.part_renames(relation, building, &index.name, &mut renames);
        }
        for (from, to) in renames {
            let step = self.rename_step(&from, &to);
            self.collected.push(step.together(0));
        }
        self.carry_marks(relation, old, &index.name, retired);
    }

    /// Marks the new index, and its parts, as what their tables are clustered on and identified by, as the old ones are.
    fn carry_marks(&mut self, relation: &Carrier, old: &LiveIndex, name: &Ident, retired: &Ident) {
        let table = &relation.name;
        if old.clustered {
            let mark = |name: &Ident| Sql::new("ALTER TABLE ").name(table).raw(" CLUSTER ON ").ident(name);
            let step = self.brief(mark(name), Lock::ShareUpdateExclusiveLock);
            self.collected.push(Step { undo: Some(mark(retired)), ..step.together(0) });
        }
        if old.replica_identity {
            let mark =
                |name: &Ident| Sql::new("ALTER TABLE ").name(table).raw(" REPLICA IDENTITY USING INDEX ").ident(name);
            let step = self.brief(mark(name), Lock::AccessExclusiveLock);
            let hazards = HazardSet::from([Hazard::AccessExclusiveLock]);
            self.collected.push(Step { undo: Some(mark(retired)), hazards, ..step.together(0) });
        }
        for partition in self.live.partitions(relation) {
            let Some(part) = partition.part_of(old) else { continue };
            let taken_in = self.taken_in.iter().find(|taken| taken.index.table == partition.name);
            let name = taken_in.map_or_else(|| partition_index_name(name, &partition.name), |t| t.index.name.clone());
            self.carry_marks(partition, part, &name, &partition_index_name(retired, &partition.name));
        }
    }

    /// The statements that rename an index and the parts that are named after it.
    fn renames(
        &self,
        from: &Ident,
        to: &Ident,
        relation: &Carrier,
        old: &LiveIndex,
    ) -> Vec<(QualifiedName, QualifiedName)> {
        let mut renames = vec![(relation.name.sibling(from.clone()), relation.name.sibling(to.clone()))];
        if relation.is_partitioned() {
            for partition in &relation.partitions {
                let Some(partition) = self.live.relations.get(partition) else { continue };
                let named = partition_index_name(from, &partition.name);
                let part = partition.indexes.get(&named).filter(|part| part.attached_to == Some(old.oid));
                if let Some(part) = part {
                    let to = partition_index_name(to, &partition.name);
                    renames.extend(self.renames(&named, &to, partition, part));
                }
            }
        }
        renames
    }

    /// The renames of an index that an earlier step has renamed to `waiting`, and of its parts.
    fn renames_after(
        &self,
        original: &Ident,
        waiting: &LiveIndex,
        to: &Ident,
        relation: &Carrier,
    ) -> Vec<(QualifiedName, QualifiedName)> {
        let first = self.renames(original, &waiting.index.name, relation, waiting);
        let last = self.renames(original, to, relation, waiting);
        first.into_iter().zip(last).map(|((_, from), (_, to))| (from, to)).collect()
    }

    /// The renames of the parts of a replacement. They are not in the catalogs yet.
    fn part_renames(
        &self,
        relation: &Carrier,
        from: &Ident,
        to: &Ident,
        renames: &mut Vec<(QualifiedName, QualifiedName)>,
    ) {
        for partition in relation.partitions.iter().filter_map(|name| self.live.relations.get(name)) {
            if partition.kind == RelationKind::Foreign {
                continue;
            }
            let (from, to) = (partition_index_name(from, &partition.name), partition_index_name(to, &partition.name));
            let part = partition.name.sibling(from.clone());
            let made = self.collected.iter().any(|step| step.makes().is_some_and(|(_, index)| *index == part));
            if made || partition.indexes.contains_key(&from) {
                renames.push((partition.name.sibling(from.clone()), partition.name.sibling(to.clone())));
                self.part_renames(partition, &from, &to, renames);
            }
        }
    }

    fn rename_step(&self, from: &QualifiedName, to: &QualifiedName) -> Step {
        let sql = |from: &QualifiedName, to: &QualifiedName| {
            Sql::new("ALTER INDEX ").name(from).raw(" RENAME TO ").ident(&to.name)
        };
        let step = self.brief(sql(from, to), Lock::ShareUpdateExclusiveLock);
        Step { undo: Some(sql(to, from)), ..step }
    }

    fn comment(&mut self, index: &Index, name: &Ident, comment: &str, before: &str) {
        let step = self.brief(index.comment_on(name, comment), Lock::ShareUpdateExclusiveLock);
        self.collected.push(Step { undo: Some(index.comment_on(name, before)), ..step });
    }

    fn carry_statistics(&mut self, index: &Index, name: &Ident, column: u16, target: i32) {
        let sql = Sql::new("ALTER INDEX ")
            .name(&index.table.sibling(name.clone()))
            .raw(" ALTER COLUMN ")
            .number(i64::from(column))
            .raw(" SET STATISTICS ")
            .number(i64::from(target));
        let step = self.brief(sql, Lock::ShareUpdateExclusiveLock);
        self.collected.push(step);
    }

    fn brief(&self, sql: Sql, lock: Lock) -> Step {
        Step::brief(sql, Some(lock), self.limits)
    }

    fn online(&self, sql: Sql) -> Step {
        Step::online(sql, self.limits)
    }
}

/// The declared index. What it does not declare comes from the index that it replaces.
fn carried_over(index: &Index, old: &Index) -> Index {
    Index {
        with: index.with.clone().or_else(|| old.with.clone()),
        tablespace: index.tablespace.clone().or_else(|| old.tablespace.clone()),
        comment: index.comment.clone().or_else(|| old.comment.clone()),
        ..index.clone()
    }
}
