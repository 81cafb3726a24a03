//! The kinds of object, a folder each.

pub mod index;
