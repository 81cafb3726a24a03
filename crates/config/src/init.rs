//! The files that `init` writes: a valid project, with examples as comments.

/// The files of a new project: their paths relative to its folder, and their contents.
#[must_use]
pub fn starting_project() -> Vec<(&'static str, &'static str)> {
    vec![
        ("reconcile.yaml", include_str!("init/reconcile.yaml")),
        ("schema/example.yaml", include_str!("init/schema.yaml")),
        ("policies/README.md", include_str!("init/policies.md")),
    ]
}
