//! What an import declares of a live materialized view, and what no declaration can say.

use super::{Matview, catalog::Found, grants::Grants};

impl Found {
    /// The view as an import declares it, without its indexes; and in words what it has besides that.
    #[must_use]
    pub fn imported(&self) -> (Matview, Vec<String>) {
        let held = Grants::held(self);
        // A declaration grants all rights of one role in the same way.
        let mixed = held.0.iter().filter(|(_, rights)| !rights.privileges.is_empty() && !rights.grantable.is_empty());
        let mixed: Vec<_> = mixed.map(|(role, _)| format!("the rights of {role}, some with grant option")).collect();
        let grants = Some(held).filter(|held| mixed.is_empty() && !held.0.is_empty());
        let mut beyond = mixed;
        beyond.extend((!self.own).then(|| format!("its owner {}", self.owner)));
        beyond.extend(self.grants.iter().any(|grant| grant.column.is_some()).then(|| "rights on columns".to_owned()));
        let set = self.columns.iter().filter(|column| {
            let stored = column.storage.is_some() || column.compression.is_some();
            stored || column.comment.is_some() || column.statistics.is_some() || !column.options.is_empty()
        });
        beyond.extend(set.map(|column| format!("the settings of the column {}", column.name)));
        beyond.extend(self.loses_all());
        (Matview { grants, ..self.view(None) }, beyond)
    }
}
