//! The report of a run: as JSON for programs, as tables for people.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use crate::{
    args::RunArgs,
    context::Context,
    cpu::CpuReport,
    gap::Gap,
    ledger::QueueReport,
    progress::Second,
    stage::Outcome,
    stats::{Counts, LatencySummary},
    units::{float, grouped, human_rate, human_us, mib_rate, rate},
};

/// Queues up to this number are all shown to people; of more, only those with something to tell.
const QUEUES_SHOWN_MAX: usize = 12;

/// All that a run found out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// What was asked for.
    pub(crate) config: RunArgs,
    /// One entry, or two when publishing and consuming were stages of their own.
    pub(crate) stages: Vec<StageReport>,
    /// How each queue did, over all stages.
    pub(crate) queues: Vec<QueueReport>,
    /// Messages that had to arrive and did not.
    pub(crate) missing: u64,
    /// Why the run ended early.
    pub(crate) error: Option<String>,
    /// Whether it was interrupted.
    pub(crate) interrupted: bool,
}

/// What one stage found out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StageReport {
    /// `run`, `fill` or `drain`.
    pub(crate) stage: &'static str,
    /// How long it was measured. Unit: seconds.
    pub(crate) measured_seconds: f64,
    /// Messages published per second, while it was measured.
    pub(crate) sent_per_second: f64,
    /// Confirms per second.
    pub(crate) confirmed_per_second: f64,
    /// Deliveries per second.
    pub(crate) consumed_per_second: f64,
    /// What happened while it was measured.
    pub(crate) measured: Counts,
    /// All that happened, with warm-up and end.
    pub(crate) total: Counts,
    /// Publishes without a confirm at the end.
    pub(crate) unconfirmed: u64,
    /// From the time a message was sent, or due, to its confirm.
    pub(crate) confirm_latency: Option<LatencySummary>,
    /// From the time a message was sent, or due, to its delivery.
    pub(crate) end_to_end_latency: Option<LatencySummary>,
    /// The longest time that one publisher had no confirm.
    pub(crate) longest_gap: Option<Gap>,
    /// The longest time that no publisher had a confirm.
    pub(crate) longest_gap_of_all: Option<Gap>,
    /// What the load generator itself used.
    pub(crate) generator: CpuReport,
    /// What the processes of `--broker-pids` used.
    pub(crate) brokers: Option<CpuReport>,
    /// What the progress lines said.
    pub(crate) seconds: Vec<Second>,
}

impl StageReport {
    pub(crate) fn new(stage: &'static str, context: &Context, mut outcome: Outcome) -> Self {
        let measured = outcome.measured.counts;
        let total = outcome.all;
        let per_second = |count| rate(count, outcome.measured_seconds);
        let confirms = context.args.confirm_window > 0;
        let gaps = (total.sent > 0 && confirms).then(|| context.gap.longest(context.began_ns()));
        StageReport {
            stage,
            measured_seconds: outcome.measured_seconds,
            sent_per_second: per_second(measured.sent),
            confirmed_per_second: per_second(measured.confirmed),
            consumed_per_second: per_second(measured.consumed),
            measured,
            total,
            unconfirmed: if confirms { total.sent.saturating_sub(total.confirmed + total.nacked) } else { 0 },
            confirm_latency: LatencySummary::of(&mut outcome.measured.confirm),
            end_to_end_latency: LatencySummary::of(&mut outcome.measured.end_to_end),
            longest_gap: gaps.map(|(one, _)| one),
            longest_gap_of_all: gaps.map(|(_, all)| all),
            generator: outcome.generator,
            brokers: outcome.brokers,
            seconds: outcome.seconds,
        }
    }

    fn rates(&self, size: usize) -> Table {
        let mut table = table(&["", "measured", "per second", "MiB/s", "in all"]);
        let rows = [
            ("published", self.measured.sent, self.sent_per_second, self.total.sent),
            ("confirmed", self.measured.confirmed, self.confirmed_per_second, self.total.confirmed),
            ("consumed", self.measured.consumed, self.consumed_per_second, self.total.consumed),
        ];
        for (name, measured, per_second, total) in rows {
            if total > 0 {
                let mib = format!("{:.1}", mib_rate(per_second, size));
                table.add_row([name.into(), grouped(measured), human_rate(per_second), mib, grouped(total)]);
            }
        }
        align_right(table)
    }

    fn latencies(&self) -> Option<Table> {
        let mut table = table(&["latency", "p50", "p90", "p99", "p99.9", "max", "mean"]);
        for (name, summary) in [("confirm", self.confirm_latency), ("end to end", self.end_to_end_latency)] {
            if let Some(latency) = summary {
                let us = [latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us];
                let mut row = vec![name.to_owned()];
                row.extend(us.map(human_us));
                row.push(human_us(crate::units::whole(latency.mean_us)));
                table.add_row(row);
            }
        }
        (table.row_count() > 0).then(|| align_right(table))
    }

    /// What is worth a sentence.
    fn sentences(&self, out: &mut String) {
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        if let (Some(one), Some(all)) = (self.longest_gap, self.longest_gap_of_all) {
            let ms = |gap: Gap| format!("{:.1} ms at {:.1} s", gap.ms, gap.at_seconds);
            line(format!("longest time without confirms: one publisher {}, all together {}", ms(one), ms(all)));
        }
        let Counts { nacked, republished, redelivered, foreign, disconnects, blocked, .. } = self.total;
        let incidents = [
            (self.unconfirmed, "never confirmed"),
            (nacked, "refused by the broker"),
            (republished, "published again"),
            (redelivered, "redelivered"),
            (foreign, "of another run"),
            (disconnects, "connections lost"),
            (blocked, "times blocked"),
        ];
        let told: Vec<String> = incidents
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", grouped(*count)))
            .collect();
        if !told.is_empty() {
            line(told.join(", "));
        }
        let cpu = |cpu: &CpuReport| {
            let mib = float(cpu.rss_bytes) / (1024.0 * 1024.0);
            format!("{:.2} us per message, {:.2} cores, {mib:.0} MiB", cpu.us_per_message, cpu.cores)
        };
        if let Some(brokers) = &self.brokers {
            line(format!("brokers: {}", cpu(brokers)));
        }
        line(format!("load generator: {}", cpu(&self.generator)));
    }
}

impl Report {
    pub(crate) fn new(context: &Context, stages: Vec<StageReport>) -> Self {
        let args = &context.args;
        let queues = context.book.by_queue(args);
        let missing = if args.follows_messages() {
            queues.iter().map(|queue| queue.missing).sum()
        } else {
            counted_missing(args, &stages)
        };
        Report { config: args.clone(), stages, queues, missing, error: None, interrupted: false }
    }

    /// Whether all that had to arrive did, once and in order. Repeated deliveries are in order when they say so.
    pub(crate) fn is_clean(&self) -> bool {
        let books = self.queues.iter().all(|queue| {
            queue.missing == 0 && queue.duplicates_unflagged == 0 && queue.out_of_order == 0 && queue.invented == 0
        });
        // After a lost connection messages are published again: the broker may well have both.
        let lost = self.stages.iter().any(|stage| stage.total.republished > 0);
        self.missing == 0
            && (books || lost && self.queues.iter().all(|queue| queue.missing == 0 && queue.invented == 0))
    }

    /// The tables.
    pub(crate) fn text(&self) -> String {
        let args = &self.config;
        let mut out = format!("\n{}\n", headline(args));
        for stage in &self.stages {
            writeln!(out, "\n{}: measured {:.1} s", stage.stage, stage.measured_seconds).expect("writing to a string");
            writeln!(out, "{}", stage.rates(args.size)).expect("writing to a string");
            if let Some(latencies) = stage.latencies() {
                writeln!(out, "{latencies}").expect("writing to a string");
            }
            stage.sentences(&mut out);
        }
        self.books(&mut out);
        if self.interrupted {
            out.push_str("interrupted\n");
        }
        out
    }

    fn books(&self, out: &mut String) {
        let args = &self.config;
        if !args.consumes() {
            return;
        }
        if !args.follows_messages() {
            let verdict =
                if self.missing == 0 { "all arrived".into() } else { format!("{} missing", grouped(self.missing)) };
            writeln!(out, "messages: {verdict} (bodies below 16 bytes are only counted)").expect("writing to a string");
            return;
        }
        let rows: Vec<&QueueReport> = self
            .queues
            .iter()
            .filter(|queue| self.queues.len() <= QUEUES_SHOWN_MAX || !is_quiet(queue))
            .take(10 * QUEUES_SHOWN_MAX)
            .collect();
        let clean = self.queues.len() - rows.len();
        if !rows.is_empty() {
            let mut table = table(&[
                "queue",
                "published",
                "confirmed",
                "received",
                "missing",
                "duplicates",
                "out of order",
                "invented",
            ]);
            for queue in rows {
                let mut row = vec![queue.name.clone()];
                let numbers = [queue.published, queue.confirmed, queue.received, queue.missing, queue.duplicates];
                row.extend(numbers.map(grouped));
                row.extend([queue.out_of_order, queue.invented].map(grouped));
                table.add_row(row);
            }
            writeln!(out, "{}", align_right(table)).expect("writing to a string");
        }
        if clean > 0 {
            writeln!(out, "{} queues without loss, repetition or disorder", grouped(crate::units::count(clean)))
                .expect("writing to a string");
        }
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        write_json(path, self)
    }
}

/// Writes a report as JSON.
pub(crate) fn write_json(path: &Path, report: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))
}

fn is_quiet(queue: &QueueReport) -> bool {
    queue.missing + queue.duplicates + queue.out_of_order + queue.invented == 0
}

/// Without identities, only numbers can be compared.
fn counted_missing(args: &RunArgs, stages: &[StageReport]) -> u64 {
    if !args.publishes() || !args.consumes() {
        return 0;
    }
    let sum = |count: fn(&Counts) -> u64| stages.iter().map(|stage| count(&stage.total)).sum::<u64>();
    let expected = if args.confirm_window > 0 { sum(|counts| counts.confirmed) } else { sum(|counts| counts.sent) };
    expected.saturating_sub(sum(|counts| counts.consumed))
}

/// The run in one line.
fn headline(args: &RunArgs) -> String {
    let number = |count: u64, what: &str| format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    if args.publishes() {
        parts.push(number(args.publishers.into(), "publisher"));
    }
    if args.consumes() {
        parts.push(number(args.consumers.into(), "consumer"));
    }
    let queue_type = args.queue_type.argument().map_or(String::new(), |name| format!("{name} "));
    parts.push(number(args.queues.into(), &format!("{queue_type}queue")));
    parts.push(format!("{} B", grouped(crate::units::count(args.size))));
    if args.publishes() {
        parts.push(if args.transient { "transient".into() } else { "persistent".into() });
        parts.push(match args.confirm_window {
            0 => "no confirms".into(),
            window => format!("{} unconfirmed", grouped(window.into())),
        });
        if args.rate > 0.0 {
            parts.push(format!("{}/s each", human_rate(args.rate)));
        }
    }
    if args.consumes() {
        parts.push(match args.ack_every {
            0 => "no acks".into(),
            every => format!("prefetch {}, ack every {every}", args.prefetch),
        });
    }
    parts.join(", ")
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(header.to_vec());
    table
}

/// Numbers stand under each other; the first column is text.
fn align_right(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests;
