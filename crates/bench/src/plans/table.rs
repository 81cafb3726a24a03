//! The figures as text for people.

use super::{report::Report, subject::Subject};
use crate::figure;

/// A block for each size.
pub(crate) fn text(reports: &[Report]) -> String {
    reports.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn block(report: &Report) -> String {
    let mut text = title(report);
    text.push_str(&format!(
        "\n{:<32}{:>10}{:>10}{:>10}{:>12}{:>10}\n",
        "", "min ms", "median", "max", "user+sys", "peak MB"
    ));
    for subject in Subject::ALL {
        text.push_str(&process(report, subject));
    }
    text + &figure::text(&report.figures())
}

fn title(report: &Report) -> String {
    format!(
        "{} tables, {} declared indexes, {} rounds, PostgreSQL {}; the first apply took {:.1} s\n",
        report.tables,
        report.indexes(),
        report.runs,
        report.server,
        report.first_apply.wall.as_secs_f64(),
    )
}

fn process(report: &Report, subject: Subject) -> String {
    let wall = report.samples.wall(subject);
    format!(
        "{:<32}{:>10.1}{:>10.1}{:>10.1}{:>12.1}{:>10.1}\n",
        subject.title(),
        wall.min,
        wall.median,
        wall.max,
        report.samples.cpu(subject).median,
        report.samples.peak(subject).max,
    )
}
