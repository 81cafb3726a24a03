//! The seam between the planner and the kinds of objects: what a kind has to say. Which kinds there are is left to
//! `kinds`, and what is made of their parts to `planner`.

mod context;
mod describe;
mod part;
mod projection;
mod undoing;

use serde::{Serialize, de::DeserializeOwned};

pub use context::{Asking, Context};
pub use describe::Describe;
pub use part::{Part, Stage};
pub use projection::{Projected, Projection};
pub use undoing::Undoing;

use crate::{
    address::{Address, KindName, Shape},
    change::Change,
    postgres::{name::Ident, routine::SharedRoutine, sql::Sql},
};

/// A kind of objects. Its functions are pure.
pub trait Kind {
    /// What its addresses begin with.
    const NAME: KindName;
    /// What follows in them.
    const SHAPE: Shape;
    /// An address, for people.
    const EXAMPLE: &'static str;
    /// Whether the registry's declarations are part of its live side: the catalogs do not hold it whole.
    const READS_DECLARATIONS: bool;
    /// The routines in reconcile's own schema that its objects share, in the order in which they can be dropped.
    const ROUTINES: &'static [SharedRoutine];

    /// One object, declared or live.
    type Object: Describe + Clone + Eq + Serialize + DeserializeOwned;
    /// Both of its sides, and those of the kinds that it builds on.
    type View<'a>: Copy;
    /// What has to be declared to bring back what was before a run.
    type Former: Default;

    /// What leads from the live to the declared side; `ahead` tells what the kinds planned before will have done.
    fn plan(context: Context<'_>, view: Self::View<'_>, ahead: &Projection) -> Part<Self::Object>;

    /// Declares what was before a change, and says what does not come back.
    fn restore<O>(
        change: &Change<O>,
        before: &Self::Object,
        after: Option<&Self::Object>,
        undoing: &mut Undoing,
        former: &mut Self::Former,
    );

    /// An object takes part in the way back.
    fn touch(_address: &Address, _former: &mut Self::Former) {}

    /// What stays of an object that a run made, once it is gone again.
    fn lasting<O>(_change: &Change<O>) -> Option<&'static str> {
        None
    }

    /// The statements that make the shared routines in reconcile's own schema.
    #[must_use]
    fn routines(_registry: &Ident) -> Vec<Sql> {
        Vec::new()
    }
}
