//! Plans the changes of the declared rights on a materialized view, and finds the problems with them.

use super::{Decider, Decision};
use crate::{
    change::Note,
    declared::Declared,
    kind::Context,
    kinds::matview::{
        Grants, Live, Matview,
        catalog::Found,
        compare::Alteration,
        grant_diff::{self, Hindrance},
        grants::{self, PUBLIC, Privilege},
    },
    postgres::{name::Ident, sql::Sql},
    problem::Problem,
};

impl Decider<'_> {
    /// The declared rights, as this server knows them.
    pub(super) fn grants(&self, view: &Matview) -> Option<Grants> {
        view.grants.as_ref().map(|grants| grants.resolved(self.context.database.server_version))
    }

    pub(super) fn grant_changes(&self, found: &Found, view: &Matview) -> Option<Alteration> {
        let grant_changes = grant_diff::between(found, &self.grants(view)?);
        (!grant_changes.is_empty()).then_some(Alteration::Grants(grant_changes))
    }
}

/// All problems with the declared rights.
pub(super) fn wrong(
    declared: &Declared<Matview>,
    what: &Decision<'_>,
    live: &Live,
    context: Context<'_>,
) -> Vec<Problem> {
    let Some(grants) = &declared.object.grants else { return Vec::new() };
    let (at, version) = (declared.at.key("grants"), context.database.server_version);
    let mut problems = Vec::new();
    for (role, rights) in &grants.0 {
        let at = at.key(role.as_str());
        let known = &live.roles.names;
        if role.as_str() != PUBLIC && !known.iter().any(|name| name == role.as_str()) {
            let problem = Problem::new(&at, format!("there is no role `{role}`")).on_key();
            let problem = problem.did_you_mean(role.as_str(), known.iter().map(String::as_str).chain([PUBLIC]));
            let hint = problem.hint.clone().unwrap_or_else(|| "make it first: reconcile makes no roles".to_owned());
            problems.push(problem.hint(hint));
        }
        if rights.privileges.union(&rights.grantable).any(|privilege| !privilege.is_known(version)) {
            let word = Privilege::Maintain.word().to_lowercase();
            let problem = Problem::new(&at, format!("this server knows no right `{word}`"));
            problems.push(problem.on_key().hint("PostgreSQL 17 is the first that does; `all` is what a server has"));
        }
    }
    if let Decision::Keep(found, _) = what {
        let hindrances = grant_diff::hindrances(found, &grants.resolved(version));
        problems.extend(hindrances.iter().map(|hindrance| hindered(hindrance, found, declared)));
    }
    problems
}

fn hindered(hindrance: &Hindrance, found: &Found, declared: &Declared<Matview>) -> Problem {
    let Hindrance { role, privilege, other, is_given_by_other } = hindrance;
    let word = privilege.word();
    let revoke = |from: &Ident| {
        let sql = Sql::new("REVOKE ").raw(word).raw(" ON ").name(&found.name).raw(" FROM ");
        grants::grantee(sql, from)
    };
    let (message, hint) = if *is_given_by_other {
        let message = format!("`{role}` has {word} from `{other}`, and only `{other}` can take that back");
        (message, format!("declare it, or run as `{other}`: {}", revoke(role)))
    } else {
        let message = format!("`{role}` has given {word} to `{other}`, so that it cannot be taken from `{role}`");
        (message, format!("declare it with `grant_option: true`, or run as `{role}`: {}", revoke(other)))
    };
    Problem::new(&declared.at.key("grants"), message).on_key().hint(hint)
}

/// A note that rights declared for the owner have no effect.
pub(super) fn of_owner(declared: &Declared<Matview>, found: &Found) -> Option<Note> {
    let owner = &found.owner;
    let means_nothing = declared.object.grants.as_ref().is_some_and(|grants| grants.0.contains_key(owner));
    let text =
        format!("`{owner}` owns it, and the owner's rights are left alone: what `grants` gives it means nothing");
    means_nothing.then(|| Note::new(declared.object.address(), text))
}
