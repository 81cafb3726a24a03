//! The figures as text for people.

use super::{contender::Contender, report::Report};
use crate::figure;

/// A block for each part of expired rows.
pub(crate) fn text(reports: &[Report]) -> String {
    reports.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn block(report: &Report) -> String {
    let mut text = title(report);
    text.push_str(&format!(
        "\n{:<32}{:>10}{:>10}{:>10}{:>10}{:>8}{:>8}{:>9}{:>9}{:>15}{:>9}{:>9}{:>9}\n",
        "",
        "rows/s",
        "min ms",
        "median",
        "max",
        "times",
        "trans.",
        "longest",
        "max",
        "client ms p50",
        "p99",
        "max",
        "peak MB"
    ));
    for contender in Contender::ALL {
        text.push_str(&line(report, contender));
    }
    text + &figure::text(&report.figures())
}

fn title(report: &Report) -> String {
    #[expect(clippy::cast_precision_loss, reason = "no table here has 2^53 bytes")]
    let megabytes = report.bytes as f64 / 1e6;
    let order = if report.shuffled { "in no order" } else { "in the order of their time" };
    format!(
        "{} of {} rows expired ({} %), {megabytes:.0} MB {order}, {} rounds, PostgreSQL {}, fsync on\n",
        report.expired, report.rows, report.percent, report.runs, report.server,
    )
}

fn line(report: &Report, contender: Contender) -> String {
    let samples = &report.samples;
    let [rate, min, median, max, times, count, longest, worst] = if contender == Contender::Nobody {
        Default::default()
    } else {
        let (wall, longest) = (samples.wall(contender), samples.longest(contender));
        [
            format!("{:.0}", report.rate(contender)),
            format!("{:.0}", wall.min),
            format!("{:.0}", wall.median),
            format!("{:.0}", wall.max),
            samples.ratio(contender).map_or_else(String::new, |ratio| format!("{:.2}x", ratio.median)),
            format!("{:.0}", samples.transactions(contender).median),
            format!("{:.0}", longest.median),
            format!("{:.0}", longest.max),
        ]
    };
    let [p50, p99, latest] = match samples.latency(contender) {
        Some(latency) => [latency.p50, latency.p99, latency.max].map(|figure| format!("{figure:.1}")),
        None => Default::default(),
    };
    let peak = if contender.is_product() { format!("{:.1}", samples.peak(contender).max) } else { String::new() };
    let line = format!(
        "{:<32}{rate:>10}{min:>10}{median:>10}{max:>10}{times:>8}{count:>8}{longest:>9}{worst:>9}{p50:>15}{p99:>9}{latest:>9}{peak:>9}",
        contender.title(),
    );
    format!("{}\n", line.trim_end())
}
