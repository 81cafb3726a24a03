//! Rows with what points at them: both go in one transaction, or neither. A row that stays keeps its children.

use std::time::Duration;

use reconcile_core::{
    kinds::retention::{
        batch::{Fate, Link, Selection},
        preflight::Refused,
        proof::Proof,
        range::Range,
    },
    postgres::name::QualifiedName,
};
use tokio::time::Instant;

use crate::{
    context::{BEGIN, RunContext},
    record::RecordedOperation,
    run_error::BatchError,
    walk::{ChildTable, extent},
};

/// The rows of a stretch of a table.
pub(crate) struct Family<'a> {
    pub(crate) leaf: &'a QualifiedName,
    pub(crate) range: Range,
    /// Rows that a statement takes at most.
    pub(crate) rows: u32,
    pub(crate) selection: &'a Selection<'a>,
    pub(crate) fate: Fate<'a>,
    pub(crate) links: &'a [Link],
    pub(crate) proof: Option<&'a Proof>,
}

/// What went, and how the records stand with it.
pub(crate) struct Done {
    pub(crate) children: Vec<RecordedOperation>,
    pub(crate) own: RecordedOperation,
    /// Rows of the table itself.
    pub(crate) gone: u64,
    pub(crate) took: Duration,
}

impl Family<'_> {
    /// Deletes the children, then the rows, and commits if none of the rows is left.
    pub(crate) async fn attempt(
        &self,
        context: &mut RunContext<'_>,
        children: &[ChildTable],
        recorded: &RecordedOperation,
    ) -> Result<Done, BatchError> {
        let began = Instant::now();
        context.session.batch(BEGIN).await?;
        let mut counted = Vec::new();
        for child in children {
            let child_began = Instant::now();
            let gone = self.delete_children(context, child).await?;
            counted.push(child.recorded.after(gone, child_began.elapsed()));
        }
        let (own_began, before) = (Instant::now(), context.counters(self.proof).await?);
        let sql = self.selection.batch(self.leaf, &self.range, self.rows, self.links, self.fate);
        let Some(counts) = context.execute(sql.as_str(), self.rows).await? else {
            return Err(BatchError::Stayed(self.still_there("more rows than were looked for are there")));
        };
        context.prove(self.proof, before, counts.found, counts.gone).await?;
        // What was locked while its children went has to be gone, whoever came in between.
        let left = self.selection.extent(self.leaf, &self.range, self.rows);
        if let (left @ 1.., _) = extent(context, left.as_str()).await? {
            return Err(BatchError::Stayed(self.still_there(&format!("{left} of the rows are still there"))));
        }
        let own = recorded.after(counts.gone, own_began.elapsed());
        let updates: Vec<_> = counted.iter().chain([&own]).map(|recorded| recorded.update(context.options)).collect();
        context.session.batch(&format!("{}; COMMIT", updates.join("; "))).await?;
        Ok(Done { children: counted, own, gone: counts.gone, took: began.elapsed() })
    }

    /// Deletes all rows of a child that point at the rows of the stretch.
    async fn delete_children(&self, context: &mut RunContext<'_>, child: &ChildTable) -> Result<u64, BatchError> {
        let mut gone = 0;
        for leaf in &child.leaves {
            loop {
                let before = context.counters(child.proof()).await?;
                let sql = self.selection.children(self.leaf, &self.range, &child.link, leaf, self.rows);
                let Some(counts) = context.execute(sql.as_str(), self.rows).await? else {
                    return Err(BatchError::Stayed(self.still_there("more children than were looked for went")));
                };
                context.prove(child.proof(), before, counts.found, counts.gone).await?;
                gone += counts.gone;
                if counts.found < u64::from(self.rows) || counts.gone == 0 {
                    break;
                }
            }
        }
        Ok(gone)
    }

    fn still_there(&self, what: &str) -> Refused {
        let message = format!("{what} of {} after their children went", self.leaf);
        match self.proof {
            Some(proof) => proof.taken_back(&message),
            None => Refused::new(
                format!("{message}; the batch is taken back"),
                "somebody changes these rows at the moment: run it again",
            ),
        }
    }
}
