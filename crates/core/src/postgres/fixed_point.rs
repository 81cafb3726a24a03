//! Decides whether two texts mean the same to a server. The server may print a text differently when it has read its
//! own print (docs/pitfalls.md, "A deparsed expression is not always a fixed point"), so both texts are printed again
//! until they are equal or change no more.

/// A text changes no more after this many prints, or it never stops changing.
pub const TRIPS: usize = 3;

/// The successive prints of a declared form, and of the live forms that it may equal.
#[derive(Clone, Debug)]
pub struct Trails<T> {
    ours: Vec<T>,
    candidates: Vec<Vec<T>>,
}

impl<T: PartialEq> Trails<T> {
    /// Begins with the first print of each form.
    pub fn new(ours: T, candidates: impl IntoIterator<Item = T>) -> Self {
        Self { ours: vec![ours], candidates: candidates.into_iter().map(|first| vec![first]).collect() }
    }

    /// The position of the first live form that equals the declared one in any print.
    #[must_use]
    pub fn met(&self) -> Option<usize> {
        self.candidates.iter().position(|trail| trail.iter().any(|form| self.ours.contains(form)))
    }

    /// The texts to print next: the last print of each form, the declared one first.
    pub fn latest(&self) -> impl Iterator<Item = &T> {
        self.all().filter_map(|trail| trail.last())
    }

    /// Whether no form changes any more. Forms that have not met by then are different.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        self.all().all(|trail| matches!(trail.as_slice(), [.., before, last] if before == last))
    }

    /// Adds the next print of each form, in the order of [`Trails::latest`]. `None` means that the server refuses its
    /// own print, for example because another object shadows a name; that trail then ends.
    pub fn walk(&mut self, prints: &mut impl Iterator<Item = Option<T>>) {
        for trail in std::iter::once(&mut self.ours).chain(&mut self.candidates) {
            trail.extend(prints.next().flatten());
        }
    }

    fn all(&self) -> impl Iterator<Item = &Vec<T>> {
        std::iter::once(&self.ours).chain(&self.candidates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_meet_on_the_way() {
        let mut trails = Trails::new("a", ["x", "b"]);
        assert_eq!(trails.met(), None);
        assert_eq!(trails.latest().copied().collect::<Vec<_>>(), ["a", "x", "b"]);
        trails.walk(&mut [Some("c"), Some("x"), None].into_iter());
        assert_eq!((trails.met(), trails.has_settled()), (None, false));
        trails.walk(&mut [Some("b"), Some("x"), None].into_iter());
        assert_eq!(trails.met(), Some(1));
    }

    #[test]
    fn what_does_not_move_any_more_has_settled() {
        let mut trails = Trails::new(1, [2]);
        trails.walk(&mut [Some(1), Some(2)].into_iter());
        assert!(trails.has_settled() && trails.met().is_none());
    }
}
