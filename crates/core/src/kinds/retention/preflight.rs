//! What forbids a run before its first row goes: each is said with what to do about it. Limits are left to the run,
//! which has to count for them.

use std::collections::BTreeMap;

use super::{
    Action, Clock, Rule,
    batch::Link,
    catalog::{Column, OnDelete, Part, Reference, Table},
    hooks::Event,
    rule_tables::RuleTables,
};
use crate::postgres::name::{Ident, QualifiedName};

/// Why a rule cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// In lower case.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// What a run counts could not be believed, so that none may begin.
    pub unsafe_precondition: bool,
}

impl Refused {
    /// A rule that cannot run, or a run that cannot go on.
    #[must_use]
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), unsafe_precondition: false }
    }

    /// A rule that could run, and whose run could not be believed.
    #[must_use]
    pub fn precondition(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { unsafe_precondition: true, ..Self::new(message, hint) }
    }
}

fn refused<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::new(message.into(), hint.into()))
}

impl Rule {
    /// Puts what was found together. Whether the rule may run on it is left open.
    ///
    /// # Errors
    /// Something is missing.
    pub fn resolved_tables(&self, found: &BTreeMap<QualifiedName, Table>) -> Result<RuleTables, Refused> {
        let get = |name: &QualifiedName| match found.get(name) {
            Some(table) => Ok(table.clone()),
            None => {
                refused(format!("there is no table {name}"), "plan shows what the rule and the database disagree on")
            }
        };
        let table = get(&self.table)?;
        let clock = self.clock(&table)?;
        let children = self.children.iter().map(|child| {
            let link = self.link(&table, &child.table, &child.foreign_key)?;
            Ok((get(&child.table)?, link))
        });
        let children: Vec<_> = children.collect::<Result<_, _>>()?;
        let archive = match &self.action {
            Action::Archive(archive) => Some(get(archive)?),
            Action::ArchiveFiles(_) if !children.is_empty() => {
                return refused(
                    "rows of children would not be archived, but lost",
                    "archive the children by rules of their own",
                );
            }
            Action::Delete | Action::ArchiveFiles(_) => None,
        };
        Ok(RuleTables { table, clock, children, archive })
    }

    fn clock(&self, table: &Table) -> Result<Clock, Refused> {
        let Some(column) = table.column(&self.column) else {
            return refused(format!("{} has no column {}", self.table, self.column), "plan and apply the rule anew");
        };
        match column.clock() {
            Some(Clock::Local) if self.timezone.is_none() => refused(
                format!(
                    "{} of {} is a timestamp without time zone, and the rule has no `timezone`",
                    self.column, self.table
                ),
                "declare `timezone`, and apply the rule anew",
            ),
            Some(clock) => Ok(clock),
            None => refused(
                format!("{} of {} is no date or timestamp, but {}", self.column, self.table, column.type_name),
                "declare a column that tells a row's age",
            ),
        }
    }

    fn link(&self, table: &Table, child: &QualifiedName, column: &Ident) -> Result<Link, Refused> {
        match table.references.iter().find(|reference| reference.is_by(child, column)) {
            Some(reference) => Ok(Link { child: child.clone(), columns: reference.columns.clone() }),
            None => refused(
                format!("no foreign key leads from column {column} of {child} to {}", self.table),
                "without one, nothing says which rows belong together; plan and apply the rule anew",
            ),
        }
    }

    /// Whether the rule may run on its tables: what forbids it would make a run lose rows, or tell what is not so.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, tables: &RuleTables) -> Result<(), Refused> {
        let locks = !tables.children.is_empty();
        deletable(&tables.table, locks)?;
        for (child, _) in &tables.children {
            deletable(child, false)?;
        }
        for table in std::iter::once(&tables.table).chain(tables.children.iter().map(|(child, _)| child)) {
            self.check_references(table)?;
            table.without_rules(Event::Delete)?;
        }
        if self.action != Action::Delete {
            archivable(&tables.table)?;
        }
        match &tables.archive {
            Some(archive) => keeps(&tables.table, archive),
            None => Ok(()),
        }
    }

    fn check_references(&self, table: &Table) -> Result<(), Refused> {
        let own = table.name == self.table;
        let undeclared = |reference: &&Reference| !(reference.is_harmless() || own && reference.is_declared(self));
        let Some(reference) = table.references.iter().find(undeclared) else { return Ok(()) };
        let what = match reference.on_delete {
            OnDelete::Cascade => "rows of it would go with them unseen",
            OnDelete::NoAction | OnDelete::Restrict | OnDelete::SetNull | OnDelete::SetDefault => {
                "it keeps rows from being deleted"
            }
        };
        refused(
            format!("foreign key {} of {} points at {}: {what}", reference.constraint, reference.table, table.name),
            "declare that table under `children`, or change what its foreign key does ON DELETE",
        )
    }
}

/// Whether all that rows hold stands in columns of the table that the rule is about.
fn archivable(table: &Table) -> Result<(), Refused> {
    match table.parts.iter().find(|part| part.has_more) {
        Some(part) => refused(
            format!("{} has columns that {} has not: they would not be archived, but lost", part.name, table.name),
            "give the parent these columns as well, or take the inheritance away",
        ),
        None => Ok(()),
    }
}

/// Whether rows can move between a table and its archive, both ways.
///
/// # Errors
/// A column of `from` has no place in `to`, or the role may not write there.
pub fn keeps(from: &Table, to: &Table) -> Result<(), Refused> {
    writable(to)?;
    to.without_rules(Event::Insert)?;
    let lost = |column: &&Column| match to.column(&column.name) {
        Some(kept) => kept.type_name != column.type_name,
        // What the table computes, it computes again; what was computed once may not come out the same.
        None => true,
    };
    let Some(column) = from.columns.iter().find(lost) else { return Ok(()) };
    let message = match to.column(&column.name) {
        Some(kept) => format!(
            "column {} is {} in {}, and {} in {}",
            column.name, column.type_name, from.name, kept.type_name, to.name
        ),
        None => format!("{} has no column {}, as {} has", to.name, column.name, from.name),
    };
    refused(message, "plan and apply first: they keep the archive in step with its table")
}

/// Whether this role sees all rows of a table, and may delete them.
///
/// # Errors
/// It does not, or may not.
pub fn deletable(table: &Table, locks: bool) -> Result<(), Refused> {
    visible(table)?;
    for part in table.leaves() {
        let missing = [("SELECT", part.may_select), ("DELETE", part.may_delete), ("UPDATE", part.may_update || !locks)];
        if let Some((privilege, _)) = missing.iter().find(|(_, may)| !may) {
            return may_not(part, privilege);
        }
    }
    Ok(())
}

fn writable(table: &Table) -> Result<(), Refused> {
    visible(table)?;
    // Rows come in by the table's own name, whatever partition they end in.
    match table.own().filter(|part| !part.may_insert) {
        Some(part) => may_not(part, "INSERT"),
        None => Ok(()),
    }
}

fn visible(table: &Table) -> Result<(), Refused> {
    for part in &table.parts {
        let name = &part.name;
        if !matches!(part.kind, 'r' | 'p') {
            return refused(format!("{name} is no table that holds its rows itself"), "declare rules on plain tables");
        }
        if part.row_security {
            return Err(Refused::precondition(
                format!("row-level security may hide rows of {name} from this role: a count of 0 would be no truth"),
                "run as the table's owner, or as a role with BYPASSRLS",
            ));
        }
    }
    Ok(())
}

fn may_not(part: &Part, privilege: &str) -> Result<(), Refused> {
    let name = &part.name;
    let why = match privilege {
        "UPDATE" => ", which it takes to lock rows while their children go",
        _ => "",
    };
    refused(
        format!("this role has no {privilege} on {name}{why}"),
        format!("GRANT {privilege} ON {} TO the role", name.quoted()),
    )
}
