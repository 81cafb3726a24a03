//! `plan`: shows what apply would do.

use std::{fs, path::Path};

use reconcile_core::{plan::Plan, scope::Filter};
use reconcile_render as render;

use crate::{
    args::{FilterArgs, Format, FormatArgs, Global, PlanArgs},
    error::{Exit, Failure},
    plan_mode::{self, PlanMode},
    project,
    terminal::Terminal,
    workflow::incomplete,
};

/// Plans, prints the plan, and saves it if asked to.
pub(crate) async fn run(global: &Global, args: &PlanArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut connected = project::connect(global).await?;
    let plan =
        plan_mode::plan(&mut connected.session, &connected.project, &PlanMode::Declared(filter(&args.filter))).await?;
    let round_trips = connected.session.round_trips();
    // The server notices the closed connection. An orderly end would cost one more round trip.
    drop(connected.session);
    terminal.detail(&format!("{round_trips} round trips"));
    if let Some(path) = &args.out {
        save(&plan, &global.directory.join(path))?;
        terminal.say(&format!("saved to {}", path.display()));
    }
    print(&plan, &args.format, terminal);
    Ok(match incomplete(&plan, terminal) {
        Some(exit) => exit,
        None if args.detailed_exitcode && plan.has_changes() => Exit::Changes,
        None => Exit::Done,
    })
}

/// Prints in the format of `--format`, or as JSON with `--json`, or as text.
pub(crate) fn print(plan: &Plan, args: &FormatArgs, terminal: &Terminal) {
    let format = args.format.unwrap_or(if terminal.json { Format::Json } else { Format::Text });
    terminal.print(&match format {
        Format::Text => render::text(plan, terminal.colors()),
        Format::Json => render::json(plan),
        Format::Markdown => render::markdown(plan),
        Format::Sql => render::sql(plan),
    });
}

/// `--only` and `--exclude`.
pub(crate) fn filter(args: &FilterArgs) -> Filter {
    Filter { only: Some(args.only.clone()).filter(|only| !only.is_empty()), exclude: args.exclude.clone() }
}

/// Writes the whole file or none of it.
fn save(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let named = |error: std::io::Error| Failure::other(format!("cannot save to {}: {error}", path.display()));
    let partial = path.with_extension("partial");
    fs::write(&partial, render::json(plan)).map_err(named)?;
    fs::rename(&partial, path).map_err(named)
}
