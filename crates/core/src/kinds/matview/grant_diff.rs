//! The statements that grant and revoke rights on a materialized view. `grants` says which rights are declared.

use std::collections::BTreeMap;

use super::{
    catalog::Found,
    grants::{Grant, Grants, PUBLIC, Privilege, grantee, name_of},
};
use crate::postgres::{
    name::{Ident, QualifiedName},
    sql::Sql,
};

/// A statement about some rights of one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantChange {
    verb: Verb,
    /// The action that undoes it, if it needs undoing.
    undo: Option<Verb>,
    role: Ident,
    privileges: Vec<Privilege>,
    column: Option<Ident>,
}

/// The action of a statement. Statements are executed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Revoke,
    RevokeOption,
    Grant,
    GrantWithOption,
}

/// A right that no statement of the owner can revoke, because another role is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// The role that has a right that is not declared.
    pub role: Ident,
    /// The right.
    pub privilege: Privilege,
    /// The role that granted the right to `role`, or that received it from `role`.
    pub other: Ident,
    /// Whether `other` granted the right.
    pub is_given_by_other: bool,
}

/// The changes from the live rights of others to the declared ones; empty if they are equal.
#[must_use]
pub fn between(found: &Found, declared: &Grants) -> Vec<GrantChange> {
    let held = Grants::held(found).each();
    let wanted = without_owner(declared, found);
    let mut groups: BTreeMap<(Verb, Option<Verb>, Ident), Vec<Privilege>> = BTreeMap::new();
    let mut changes = |(role, privilege): &(Ident, Privilege), before: Option<&bool>, after: Option<&bool>| {
        if let Some((verb, undo)) = verbs(before, after) {
            groups.entry((verb, Some(undo), role.clone())).or_default().push(*privilege);
        }
    };
    for (right, grantable) in &held {
        changes(right, Some(grantable), wanted.get(right));
    }
    for (right, grantable) in wanted.iter().filter(|(right, _)| !held.contains_key(*right)) {
        changes(right, None, Some(grantable));
    }
    let grant_changes = groups.into_iter().flat_map(|((verb, undo, role), privileges)| {
        let columns = if verb == Verb::Revoke { columns(found, &role, &privileges) } else { Vec::new() };
        [GrantChange { verb, undo, role, privileges, column: None }].into_iter().chain(columns)
    });
    grant_changes.collect()
}

fn verbs(before: Option<&bool>, after: Option<&bool>) -> Option<(Verb, Verb)> {
    match (before, after) {
        (None, None) | (Some(true), Some(true)) | (Some(false), Some(false)) => None,
        (None, Some(false)) => Some((Verb::Grant, Verb::Revoke)),
        (None, Some(true)) => Some((Verb::GrantWithOption, Verb::Revoke)),
        (Some(false), Some(true)) => Some((Verb::GrantWithOption, Verb::RevokeOption)),
        (Some(true), Some(false)) => Some((Verb::RevokeOption, Verb::GrantWithOption)),
        (Some(false), None) => Some((Verb::Revoke, Verb::Grant)),
        (Some(true), None) => Some((Verb::Revoke, Verb::GrantWithOption)),
    }
}

/// REVOKE on a relation also revokes the right on each of its columns, so those are granted again.
fn columns(found: &Found, role: &Ident, privileges: &[Privilege]) -> Vec<GrantChange> {
    let lost = found.grants.iter().filter(|grant| {
        let same = name_of(grant.grantee.as_ref()) == *role && privileges.contains(&grant.privilege);
        same && grant.column.is_some() && grant.grantor == found.owner
    });
    let again = lost.map(|grant| GrantChange {
        verb: if grant.grantable { Verb::GrantWithOption } else { Verb::Grant },
        undo: None,
        role: role.clone(),
        privileges: vec![grant.privilege],
        column: grant.column.clone(),
    });
    again.collect()
}

/// What prevents [`between`] from working: REVOKE only revokes what the owner granted, and nothing that was passed on.
#[must_use]
pub fn hindrances(found: &Found, declared: &Grants) -> Vec<Hindrance> {
    let wanted = without_owner(declared, found);
    let of_view = found.grants.iter().filter(|grant| grant.column.is_none() && !grant.is_of_owner(found));
    let goes = of_view.filter(|grant| {
        let wanted = wanted.get(&(name_of(grant.grantee.as_ref()), grant.privilege));
        wanted.is_none_or(|grantable| grant.grantable && !grantable)
    });
    let hindrances = goes.filter_map(|grant| {
        let (role, privilege) = (name_of(grant.grantee.as_ref()), grant.privilege);
        let given = (grant.grantor != found.owner).then(|| (grant.grantor.clone(), true));
        let hands_on = |other: &&Grant| Some(&other.grantor) == grant.grantee.as_ref() && other.privilege == privilege;
        let handed = found.grants.iter().find(hands_on).map(|other| (name_of(other.grantee.as_ref()), false));
        let both = given.or(handed);
        both.map(|(other, is_given_by_other)| Hindrance { role, privilege, other, is_given_by_other })
    });
    hindrances.collect()
}

/// The statements that give a new view exactly the declared rights; default privileges of its schema may have granted
/// others.
#[must_use]
pub fn of_new(view: &QualifiedName, declared: &Grants, by_default: &[Option<Ident>]) -> Vec<Sql> {
    let revoked = by_default.iter().map(|role| revoke_all(view, &name_of(role.as_ref())));
    let given = declared.each().into_iter();
    let rows = given.map(|((role, privilege), grantable)| Row { column: None, role, privilege, grantable });
    revoked.chain(given_to(view, &rows.collect::<Vec<_>>())).collect()
}

/// The statements that give the replacement of a view its rights, and no others: the old view's rights, or if rights
/// are declared, only those of its owner and of columns. Columns that the new view does not have are skipped.
#[must_use]
pub fn carried(built: &QualifiedName, old: &Found, columns: &[Ident], declared: Option<&Grants>) -> Vec<Sql> {
    let owner = Some(old.owner.clone());
    let mut strangers: Vec<_> = old.granted_by_default.clone();
    if old.acl {
        strangers.push(owner.clone());
    }
    strangers.retain(|grantee| old.acl || *grantee != owner);
    strangers.dedup();
    let revoked = strangers.iter().map(|role| revoke_all(built, &name_of(role.as_ref())));
    let stays = |grant: &&Grant| match &grant.column {
        Some(column) => columns.contains(column),
        None => declared.is_none() || grant.is_of_owner(old),
    };
    let wanted = declared.map(|declared| without_owner(declared, old)).unwrap_or_default().into_iter();
    let wanted = wanted.map(|((role, privilege), grantable)| Row { column: None, role, privilege, grantable });
    let mut rows: Vec<Row> = wanted.chain(old.grants.iter().filter(stays).map(Row::of)).collect();
    // A role may have one right from several grantors; the catalogs return a row for each.
    rows.dedup_by(|next, kept| {
        let same = (&next.column, &next.role, next.privilege) == (&kept.column, &kept.role, kept.privilege);
        kept.grantable |= same && next.grantable;
        same
    });
    revoked.chain(given_to(built, &rows)).collect()
}

/// A right to grant.
struct Row {
    column: Option<Ident>,
    role: Ident,
    privilege: Privilege,
    grantable: bool,
}

impl Row {
    fn of(grant: &Grant) -> Self {
        let Grant { column, privilege, grantable, .. } = grant.clone();
        Self { column, role: name_of(grant.grantee.as_ref()), privilege, grantable }
    }
}

/// One statement for rows that differ only in the right.
fn given_to(view: &QualifiedName, rows: &[Row]) -> Vec<Sql> {
    let alike = |a: &Row, b: &Row| (&a.column, &a.role, a.grantable) == (&b.column, &b.role, b.grantable);
    let statement = |rows: &[Row]| {
        let first = rows.first()?;
        let verb = if first.grantable { Verb::GrantWithOption } else { Verb::Grant };
        let privileges = rows.iter().map(|row| row.privilege).collect();
        let (role, column) = (first.role.clone(), first.column.clone());
        Some(GrantChange { verb, undo: None, role, privileges, column }.sql(view))
    };
    rows.chunk_by(alike).filter_map(statement).collect()
}

fn revoke_all(view: &QualifiedName, role: &Ident) -> Sql {
    grantee(Sql::new("REVOKE ALL ON ").name(view).raw(" FROM "), role)
}

/// The rights of the owner are not part of any declaration.
fn without_owner(declared: &Grants, found: &Found) -> BTreeMap<(Ident, Privilege), bool> {
    let mut wanted = declared.each();
    wanted.retain(|(role, _), _| *role != found.owner || role.as_str() == PUBLIC);
    wanted
}

impl GrantChange {
    /// The statement.
    #[must_use]
    pub fn sql(&self, view: &QualifiedName) -> Sql {
        self.statement(self.verb, view)
    }

    /// The statement that undoes it.
    #[must_use]
    pub fn undo(&self, view: &QualifiedName) -> Option<Sql> {
        self.undo.map(|verb| self.statement(verb, view))
    }

    fn statement(&self, verb: Verb, view: &QualifiedName) -> Sql {
        let (begin, to) = match verb {
            Verb::Revoke => ("REVOKE ", " FROM "),
            Verb::RevokeOption => ("REVOKE GRANT OPTION FOR ", " FROM "),
            Verb::Grant | Verb::GrantWithOption => ("GRANT ", " TO "),
        };
        let privilege = |sql: Sql, privilege: &Privilege| {
            let sql = sql.raw(privilege.word());
            match &self.column {
                Some(column) => sql.raw(" (").ident(column).raw(")"),
                None => sql,
            }
        };
        let sql = Sql::new(begin).list(&self.privileges, ", ", privilege).raw(" ON ").name(view).raw(to);
        let sql = grantee(sql, &self.role);
        if verb == Verb::GrantWithOption { sql.raw(" WITH GRANT OPTION") } else { sql }
    }
}
