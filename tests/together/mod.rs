//! A materialized view that others read is replaced: they go on as they were, whoever they belong to, or nothing is
//! touched.

mod chains;
mod edges;
mod refusals;

use crate::common::{Database, Project, Run, Version};

const RELATIONS: &str = include_str!("relations.sql");

/// A table, the roles of the team and of another one, and two schemas.
const BEFORE: &str = r#"
    DO $$ BEGIN CREATE ROLE team; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
    DO $$ BEGIN CREATE ROLE others; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
    DO $$ BEGIN CREATE ROLE dashboard; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$;
    CREATE TABLE sale (day date, platform varchar(20), price numeric, note text);
    INSERT INTO sale SELECT '2026-01-01'::date + n % 30, 'p' || n % 3, n, repeat('note ', n) FROM generate_series(1, 300) n;
    CREATE SCHEMA team; CREATE SCHEMA "Other Team";
    GRANT ALL ON SCHEMA public, team, "Other Team" TO team, others;
    GRANT ALL ON sale TO team, others;
"#;

/// What is replaced: the same columns, and a new one where `{new}` stands.
const DAILY: &str = "
materialized_views:
  team.daily:
    query: SELECT day, platform, sum(price) AS total, max(note) AS note{new} FROM sale GROUP BY day, platform
    indexes: { daily_key: { columns: [day, platform], unique: true } }
";

struct Place {
    database: Database,
    project: Project,
}

impl Place {
    fn new(version: &'static Version, views: &str) -> Self {
        let (database, project) = (Database::new(version), Project::with(views));
        database.sql(BEFORE);
        project.apply(&database);
        Self { database, project }
    }

    fn declare(&self, views: &str) {
        self.project.write("schema/tables.yaml", views);
    }

    /// All views, but for the definitions of some.
    fn relations(&self, but: &[&str]) -> String {
        let but: Vec<_> = but.iter().map(|name| format!("'{name}'")).collect();
        self.database.sql(&RELATIONS.replace("@BUT@", &but.join(", ")))
    }

    fn run(&self, args: &[&str]) -> Run {
        self.project.run(&self.database, args)
    }
}

fn daily(new: &str) -> String {
    DAILY.replace("{new}", new)
}
