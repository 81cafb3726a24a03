//! Writes projects that declare the generated indexes, otherwise than PostgreSQL prints them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::workload::Table;
use crate::failure::Failure;

/// Tables per file.
const TABLES_PER_FILE: u32 = 500;

/// The registry's schema of [`Variant::Few`]: what it manages is its own, and little.
pub(crate) const FEW_REGISTRY: &str = "reconcile_few";

/// How many tables [`Variant::Few`] declares.
pub(crate) const FEW_TABLES: u32 = 20;

/// What a project declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What is there.
    Same,
    /// The same, but for ten changes.
    Changed,
    /// What is there, of a few tables.
    Few,
}

/// How the indexes of a table are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Same,
    OtherPredicate,
    OneMore,
    OneLess,
}

impl Variant {
    fn tables(self, all: u32) -> u32 {
        match self {
            Self::Same | Self::Changed => all,
            Self::Few => FEW_TABLES,
        }
    }

    /// The ten changes: five other predicates, three new indexes, two removed.
    fn shape(self, table: Table) -> Shape {
        match (self, table.0) {
            (Self::Changed, 1..=5) => Shape::OtherPredicate,
            (Self::Changed, 6..=8) => Shape::OneMore,
            (Self::Changed, 9..=10) => Shape::OneLess,
            (Self::Same | Self::Changed | Self::Few, _) => Shape::Same,
        }
    }

    fn settings(self) -> String {
        match self {
            Self::Same | Self::Changed => "version: 1\n".to_owned(),
            Self::Few => format!("version: 1\ndatabase: {{ schema: {FEW_REGISTRY} }}\n"),
        }
    }
}

/// Writes a project into a directory of its own. Errors if files cannot be written.
pub(crate) fn write(directory: &Path, variant: Variant, all: u32) -> Result<(), Failure> {
    let schema = directory.join("schema");
    fs::create_dir_all(&schema).map_err(Failure::io("create", &schema))?;
    let settings = directory.join("reconcile.yaml");
    fs::write(&settings, variant.settings()).map_err(Failure::io("write", &settings))?;
    let tables = variant.tables(all);
    for first in (1..=tables).step_by(TABLES_PER_FILE as usize) {
        let last = tables.min(first + TABLES_PER_FILE - 1);
        let path = schema.join(format!("items_{first:05}.yaml"));
        write_file(&path, variant, first..=last).map_err(Failure::io("write", &path))?;
    }
    Ok(())
}

fn write_file(path: &Path, variant: Variant, numbers: impl Iterator<Item = u32>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "tables:")?;
    for table in numbers.map(Table) {
        write_table(&mut file, table, variant.shape(table))?;
    }
    file.flush()
}

fn write_table(file: &mut impl Write, table: Table, shape: Shape) -> io::Result<()> {
    let name = table.name();
    writeln!(file, "  {table}:\n    indexes:")?;
    if shape != Shape::OneLess {
        writeln!(file, "      {name}_name_idx: [name]")?;
    }
    writeln!(file, "      {name}_status_created_idx: [status, created_at desc]")?;
    writeln!(file, "      {name}_code_idx:\n        columns: [{{ expression: lower(code) }}]")?;
    let predicate = if shape == Shape::OtherPredicate { "status = 'held'" } else { "status = 'active'" };
    writeln!(file, "      {name}_active_idx:\n        columns: [quantity]\n        where: {predicate}")?;
    if shape == Shape::OneMore {
        writeln!(file, "      {name}_amount_idx:\n        columns: [amount]\n        where: amount > 0")?;
    }
    Ok(())
}
