//! The interface between the planner and the kinds of objects. `kinds` has the list of kinds; `planner` combines their
//! parts.

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
    /// The first part of its addresses.
    const NAME: KindName;
    /// The form of the rest.
    const SHAPE: Shape;
    /// An example of an address, for messages.
    const EXAMPLE: &'static str;
    /// Whether the registry's declarations are part of its live side, because the catalogs do not hold the objects
    /// completely.
    const READS_DECLARATIONS: bool;
    /// The routines in reconcile's own schema that its objects share, in the order of dropping.
    const ROUTINES: &'static [SharedRoutine];

    /// An object, declared or live.
    type Object: Describe + Clone + Eq + Serialize + DeserializeOwned;
    /// The declared and the live side of this kind, and of the kinds that it depends on.
    type View<'a>: Copy;
    /// The declarations that restore the state before a run.
    type Former: Default;

    /// Plans the changes from the live to the declared side. `ahead` says what the kinds that are planned earlier will
    /// change.
    fn plan(context: Context<'_>, view: Self::View<'_>, ahead: &Projection) -> Part<Self::Object>;

    /// Declares the state before a change, and notes what cannot be restored.
    fn restore<O>(
        change: &Change<O>,
        before: &Self::Object,
        after: Option<&Self::Object>,
        undoing: &mut Undoing,
        former: &mut Self::Former,
    );

    /// Notes that a rollback involves an object.
    fn touch(_address: &Address, _former: &mut Self::Former) {}

    /// What remains of an object that a run created, after it is dropped again.
    fn lasting<O>(_change: &Change<O>) -> Option<&'static str> {
        None
    }

    /// The statements that create the shared routines in reconcile's own schema.
    #[must_use]
    fn routines(_registry: &Ident) -> Vec<Sql> {
        Vec::new()
    }
}
