//! Runs and steps as tables for people. Each column is as wide as its longest cell.

pub(crate) mod history;
pub(crate) mod steps;

/// A line for each row. The columns with the numbers in `right` are aligned to the right.
fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..N).map(width).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    };
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(&widths).enumerate().map(cell).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
