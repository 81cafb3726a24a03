//! The figures as text for people.

use crate::{
    report::{Figure, Report, Unit},
    subject::Subject,
};

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
    text.push_str(&format!("\n{:<32}{:>10}{:>10}\n", "", "figure", "budget"));
    for figure in report.figures() {
        text.push_str(&line(&figure));
    }
    text
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

fn line(figure: &Figure) -> String {
    let budget = figure.budget.map(|budget| number(budget, figure.unit)).unwrap_or_default();
    let verdict = match figure.kept() {
        Some(true) => "   kept",
        Some(false) => "   NOT KEPT",
        None => "",
    };
    let line = format!("{:<32}{:>10}{budget:>10}{verdict}", figure.title, number(figure.value, figure.unit));
    format!("{}\n", line.trim_end())
}

fn number(value: f64, unit: Unit) -> String {
    if value.is_nan() {
        return "?".to_owned();
    }
    match unit {
        Unit::Times => format!("{value:.2}x"),
        Unit::Megabytes => format!("{value:.0} MB"),
        Unit::Milliseconds => format!("{value:.1} ms"),
        Unit::Count => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_missing_keeps_no_budget() {
        let figure = |value| Figure { title: "t", key: "t", unit: Unit::Count, value, budget: Some(4.0) };
        assert!(line(&figure(f64::NAN)).ends_with("?         4   NOT KEPT\n"));
        assert!(line(&figure(4.0)).ends_with("4         4   kept\n"));
    }
}
