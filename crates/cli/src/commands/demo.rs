//! `demo`: the whole cycle on a throwaway PostgreSQL, with the sample database and the files of this repository.

use std::{fs, path::Path, time::Instant};

use reconcile_core::hazard::Hazard;
use reconcile_live::{LiveError, Session, Target, explain::Evidence};
use reconcile_scratch::{
    Options, ScratchError, Server,
    sample::{self, Look, Scale},
};

use crate::{
    args::{
        Allow, ApplyArgs, ApprovalArgs, Color, DemoArgs, FilterArgs, FormatArgs, Global, HistoryArgs, ParallelArgs,
        PlanArgs, RefreshArgs, RetainArgs,
    },
    commands,
    error::{Exit, Failure},
    terminal::Terminal,
};

/// The repository's declarations of the sample database.
const FILES: [(&str, &str); 6] = [
    ("schema/analytics.yaml", include_str!("../../../../schema/analytics.yaml")),
    ("schema/catalog.yaml", include_str!("../../../../schema/catalog.yaml")),
    ("schema/integration.yaml", include_str!("../../../../schema/integration.yaml")),
    ("schema/inventory.yaml", include_str!("../../../../schema/inventory.yaml")),
    ("schema/sales.yaml", include_str!("../../../../schema/sales.yaml")),
    ("schema/time_series.yaml", include_str!("../../../../schema/time_series.yaml")),
];

/// The retention rules of the sample database, which the demonstration adds later.
const POLICIES: (&str, &str) = ("policies/retention.yaml", include_str!("../../../../policies/retention.yaml"));

/// The name of the sample database.
const DATABASE: &str = "shop";

/// How often a query is measured. The fastest run counts, because the others were delayed by something else.
const RUNS: u32 = 3;

/// Runs the demonstration.
pub(crate) async fn run(args: &DemoArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    heading(terminal, "A throwaway PostgreSQL");
    let installation = reconcile_scratch::find().map_err(|error| scratch(&error))?;
    let server = Server::start(&installation, Options::default()).map_err(|error| scratch(&error))?;
    terminal.print(&format!("PostgreSQL {} from {}\n", installation.version(), installation.bin_dir().display()));
    let scale = if args.small { Scale::small() } else { Scale::default() };
    let mut session = load(&server, scale, terminal).await?;
    let folder = tempfile::tempdir()?;
    FILES.iter().try_for_each(|(path, contents)| write_below(folder.path(), path, contents))?;
    let global = global(folder.path(), &server);

    schema(&global, &mut session, terminal).await?;
    write_below(folder.path(), POLICIES.0, POLICIES.1)?;
    let exit = upkeep(&global, terminal).await?;
    session.close().await;
    conclude(args, &server, terminal).await;
    Ok(exit)
}

/// Shows queries that read whole tables, applies the files, and shows that the queries now read an index or a view.
async fn schema(global: &Global, session: &mut Session, terminal: &Terminal) -> Result<(), Failure> {
    heading(terminal, &format!("Before: these queries have no index (the fastest of {RUNS} runs each)"));
    explain(session, &sample::QUERIES, terminal).await?;
    heading(terminal, "Before: the dashboard computes revenue by day and platform from the orders");
    explain(session, &sample::DASHBOARD.map(|look| look.orders), terminal).await?;
    heading(terminal, "reconcile plan --out plan.json");
    plan(global, Some("plan.json"), terminal).await?;
    heading(terminal, "reconcile apply plan.json --auto-approve");
    apply(global, Some("plan.json"), Vec::new(), terminal).await?;
    heading(terminal, "reconcile plan --detailed-exitcode, once more");
    let exit = plan(global, None, terminal).await?;
    terminal.print(&format!("(exit code {})\n", exit as u8));
    session.batch("ANALYZE").await?;
    heading(terminal, "After: the same queries");
    explain(session, &sample::QUERIES, terminal).await?;
    heading(terminal, "After: the dashboard reads the view instead");
    compare(session, &sample::DASHBOARD, terminal).await
}

/// Shows the work of every night: retention rules delete rows or move them to an archive, and views are refreshed.
async fn upkeep(global: &Global, terminal: &Terminal) -> Result<Exit, Failure> {
    heading(terminal, "policies/retention.yaml is added: reconcile apply --auto-approve --allow deletes_data");
    apply(global, None, vec![Allow::One(Hazard::DeletesData)], terminal).await?;
    heading(terminal, "reconcile retain --dry-run: exact counts, nothing is deleted");
    retain(global, true, terminal).await?;
    heading(terminal, "reconcile retain");
    retain(global, false, terminal).await?;
    heading(terminal, "reconcile refresh: each view after the views that it reads");
    commands::refresh::run(global, &RefreshArgs { views: Vec::new(), stale: false }, terminal).await?;
    heading(terminal, "reconcile history");
    commands::history::run(global, &HistoryArgs { run: None }, terminal).await
}

async fn apply(global: &Global, file: Option<&str>, allow: Vec<Allow>, terminal: &Terminal) -> Result<Exit, Failure> {
    let args = ApplyArgs {
        file: file.map(Into::into),
        approval: ApprovalArgs { auto_approve: true, allow },
        parallel: ParallelArgs::default(),
        filter: FilterArgs::default(),
    };
    commands::apply::run(global, &args, terminal).await
}

async fn retain(global: &Global, dry_run: bool, terminal: &Terminal) -> Result<Exit, Failure> {
    let args = RetainArgs { tables: Vec::new(), dry_run, restore: None, from: None, to: None };
    commands::retain::run(global, &args, terminal).await
}

async fn load(server: &Server, scale: Scale, terminal: &Terminal) -> Result<Session, Failure> {
    let postgres = Target::parse(Some(&server.url("postgres")))?;
    let mut session = Session::connect(&postgres).await?;
    session.batch(sample::CREATE_DATABASE).await?;
    session.close().await;
    let began = Instant::now();
    let mut session = Session::connect(&postgres.database(DATABASE)).await?;
    for statement in sample::statements(scale) {
        session.batch(&statement).await?;
    }
    let took = began.elapsed().as_secs_f32();
    terminal.print(&format!("loaded the sample database of a sneaker reseller in {took:.1} s\n"));
    Ok(session)
}

fn write_below(folder: &Path, path: &str, contents: &str) -> Result<(), std::io::Error> {
    let path = folder.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, contents)
}

fn global(folder: &Path, server: &Server) -> Global {
    Global {
        directory: folder.to_owned(),
        config: None,
        database_url: Some(server.url(DATABASE)),
        target: None,
        json: false,
        color: Color::Auto,
        verbose: false,
        quiet: false,
    }
}

async fn plan(global: &Global, out: Option<&str>, terminal: &Terminal) -> Result<Exit, Failure> {
    let args = PlanArgs {
        out: out.map(Into::into),
        format: FormatArgs { format: None },
        detailed_exitcode: true,
        filter: FilterArgs::default(),
    };
    commands::plan::run(global, &args, terminal).await
}

/// Shows the plan node and the time of each query.
async fn explain(session: &mut Session, queries: &[&'static str], terminal: &Terminal) -> Result<(), Failure> {
    for query in queries {
        let evidence = measure(session, query).await?;
        terminal.print(&format!("{query}\n  {} in {:.3} ms\n", evidence.scan, evidence.milliseconds));
    }
    Ok(())
}

/// Compares queries on views with the same queries on tables. The latter are measured again: the tables have indexes
/// now.
async fn compare(session: &mut Session, looks: &[Look], terminal: &Terminal) -> Result<(), Failure> {
    for look in looks {
        let (orders, view) = (measure(session, look.orders).await?, measure(session, look.view).await?);
        let times = orders.milliseconds / view.milliseconds;
        terminal.print(&format!(
            "{}\n  {} in {:.3} ms, {times:.1} times as fast as from the orders, which now take {:.3} ms\n",
            look.view, view.scan, view.milliseconds, orders.milliseconds
        ));
    }
    Ok(())
}

/// The fastest of several runs.
async fn measure(session: &mut Session, query: &'static str) -> Result<Evidence, LiveError> {
    let mut fastest = reconcile_live::explain::analyze(session, query).await?;
    for _ in 1..RUNS {
        let again = reconcile_live::explain::analyze(session, query).await?;
        if again.milliseconds < fastest.milliseconds {
            fastest = again;
        }
    }
    Ok(fastest)
}

async fn conclude(args: &DemoArgs, server: &Server, terminal: &Terminal) {
    heading(terminal, "Where to go next");
    terminal.print(
        "reconcile import --out DIR   writes the YAML of your own database\n\
         reconcile rollback 1         would remove what run 1 created, and nothing else\n\
         reconcile plan               shows what would change; it needs no write privileges\n\
         README.md                    explains the rest; schema/ has the files of this demo\n",
    );
    if args.keep {
        terminal.print(&format!("\nThe server is at {}\nCtrl-C stops it.\n", server.url(DATABASE)));
        // If Ctrl-C cannot be awaited, the demonstration ends at once.
        drop(tokio::signal::ctrl_c().await);
    }
}

fn heading(terminal: &Terminal, text: &str) {
    terminal.print(&format!("\n== {text}\n"));
}

fn scratch(error: &ScratchError) -> Failure {
    match error.hint() {
        Some(hint) => Failure::said(Exit::Error, error.to_string(), hint),
        None => Failure::other(error.to_string()),
    }
}
