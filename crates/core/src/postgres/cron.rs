//! Cron expressions, as far as everyone who keeps time understands them alike. When one comes round is left to `maintain`.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads a schedule that everyone who keeps time understands alike: five fields, no time zone, no last or nearest day.
///
/// # Errors
/// It is none.
pub fn crontab(text: &str) -> Result<Crontab, String> {
    let plain = |field: &str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-".contains(c));
    if text.split_whitespace().count() != 5 || !text.split_whitespace().all(plain) {
        return Err("five plain fields are wanted".to_owned());
    }
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(text, options).map_err(|error| error.to_string())
}

/// Who runs what is due: retention, refreshes, partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// Jobs of the extension `pg_cron` in the database.
    PgCron,
    /// Something outside that calls `reconcile maintain`.
    External,
}
