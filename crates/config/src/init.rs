//! What `init` writes: a project that loads as it stands and says what could be in it.

/// A starting project: paths relative to its folder, and contents.
#[must_use]
pub fn starting_project() -> Vec<(&'static str, &'static str)> {
    vec![
        ("reconcile.yaml", include_str!("init/reconcile.yaml")),
        ("schema/example.yaml", include_str!("init/schema.yaml")),
        ("policies/README.md", include_str!("init/policies.md")),
    ]
}
