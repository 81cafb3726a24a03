//! Cron expressions, limited to what `pg_cron` and `maintain` read alike. `maintain` computes when one is due.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reads a schedule that `pg_cron` and `maintain` understand alike: five fields, without a time zone, a last day or a
/// nearest weekday.
///
/// # Errors
/// The text is not such a schedule.
pub fn crontab(text: &str) -> Result<Crontab, String> {
    let plain = |field: &str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-".contains(c));
    if text.split_whitespace().count() != 5 || !text.split_whitespace().all(plain) {
        return Err("it needs five fields of letters, digits and `*/,-`".to_owned());
    }
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(text, options).map_err(|error| error.to_string())
}

/// Who runs the work that is due: retention, refreshes, partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// Jobs of the extension `pg_cron` in the database run it.
    PgCron,
    /// A scheduler outside the database calls `reconcile maintain`.
    External,
}
