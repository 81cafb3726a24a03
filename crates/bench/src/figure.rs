//! A figure that stands for others, and the budget that it is held to.

use serde_json::{Value, json};

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Times,
    Megabytes,
    Milliseconds,
    Count,
}

/// A figure, and what it should stay within, if anything was promised.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) title: &'static str,
    pub(crate) key: &'static str,
    pub(crate) unit: Unit,
    /// Not a number, where it could not be had.
    pub(crate) value: f64,
    pub(crate) budget: Option<f64>,
}

impl Figure {
    pub(crate) fn new(title: &'static str, key: &'static str, unit: Unit, value: f64) -> Self {
        Self { title, key, unit, value, budget: None }
    }

    pub(crate) fn within(self, budget: f64) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// None where nothing was promised.
    pub(crate) fn kept(&self) -> Option<bool> {
        self.budget.map(|budget| self.value <= budget)
    }
}

/// For people, with a heading.
pub(crate) fn text(figures: &[Figure]) -> String {
    let heading = format!("\n{:<32}{:>10}{:>10}\n", "", "figure", "budget");
    heading + &figures.iter().map(line).collect::<String>()
}

/// For programs.
pub(crate) fn json(figures: &[Figure]) -> Value {
    let figures = figures.iter().map(|figure| {
        let value = json!({ "value": figure.value, "budget": figure.budget, "kept": figure.kept() });
        (figure.key.to_owned(), value)
    });
    Value::Object(figures.collect())
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
