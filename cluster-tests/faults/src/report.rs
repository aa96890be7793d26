//! What a run says: a table, a document for programs, and a picture of each scenario's throughput with its faults.

mod timeline;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use serde_json::{Value, json};

use crate::{
    check::gaps::{Gap, Mark},
    stage::Outcome,
};

/// Writes `report.json` and a picture for each outcome, and returns the table.
///
/// # Errors
/// When a file cannot be written, or a history not be read.
pub fn write(folder: &Path, outcomes: &[Outcome], skipped: &[(&str, String)]) -> Result<String> {
    for outcome in outcomes {
        let picture = timeline::draw(outcome)?;
        let name = format!("{}-{}.svg", outcome.scenario, outcome.seed);
        fs::write(folder.join(&name), picture).with_context(|| format!("cannot write {name}"))?;
    }
    let skipped_json = skipped.iter().map(|(id, why)| json!({"scenario": id, "why": why})).collect::<Vec<_>>();
    let document = json!({
        "outcomes": outcomes.iter().map(document).collect::<Vec<_>>(), "skipped": skipped_json,
    });
    fs::write(folder.join("report.json"), serde_json::to_vec_pretty(&document)?).context("cannot write report.json")?;
    Ok(table(outcomes))
}

/// How often something of an invariant, and of a kind if one is given, was found.
fn found(outcome: &Outcome, invariant: &str, kind: &str) -> usize {
    let findings = outcome.findings.iter();
    findings.filter(|one| one.invariant == invariant && one.text.starts_with(kind)).map(|one| one.count).sum()
}

/// The fault that was closest to its bound, or beyond it; without bounds, the longest.
fn worst(outcome: &Outcome) -> Option<(Duration, Option<Duration>, Duration)> {
    let part = |(_, gap, _): &&(Mark, Gap, Duration), bound: Option<Duration>| {
        gap.length().as_secs_f64() / bound.map_or(f64::MAX, |bound| bound.as_secs_f64())
    };
    let all = outcome.faults.iter();
    let worst = all.max_by(|a, b| part(a, a.0.bound).total_cmp(&part(b, b.0.bound)))?;
    Some((worst.1.length(), worst.0.bound, worst.2))
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    table.set_header([
        "scenario",
        "faults",
        "confirmed",
        "lost",
        "unflagged duplicates",
        "longest gap",
        "bound",
        "stalls",
        "verdict",
    ]);
    for outcome in outcomes {
        let ms = |time: Duration| format!("{} ms", time.as_millis());
        let (gap, bound, stall) =
            worst(outcome).map_or((None, None, None), |(gap, bound, stall)| (Some(gap), bound, Some(stall)));
        let or_none = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), ms);
        table.add_row([
            format!("{} {}", outcome.scenario, outcome.title),
            outcome.faults.len().to_string(),
            outcome.counts.confirmed.to_string(),
            found(outcome, "I1", "lost").to_string(),
            found(outcome, "I5", "delivered twice").to_string(),
            or_none(gap),
            or_none(bound),
            or_none(stall),
            verdict(outcome),
        ]);
    }
    table.to_string()
}

fn verdict(outcome: &Outcome) -> String {
    if outcome.findings.is_empty() {
        return "holds".to_owned();
    }
    let mut invariants = outcome.findings.iter().map(|finding| finding.invariant).collect::<Vec<_>>();
    invariants.sort_unstable();
    invariants.dedup();
    format!("FAILS: {}", invariants.join(" "))
}

fn document(outcome: &Outcome) -> Value {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let fault = |(mark, gap, stall): &(Mark, Gap, Duration)| {
        json!({
            "name": mark.name, "begin_ms": mark.begin / 1_000_000, "end_ms": mark.end / 1_000_000,
            "gap_ms": millis(gap.length()), "bound_ms": mark.bound.map(millis), "machine_stalls_ms": millis(*stall),
        })
    };
    let finding =
        |one: &crate::check::Finding| json!({"invariant": one.invariant, "count": one.count, "text": one.text});
    json!({
        "scenario": outcome.scenario, "title": outcome.title, "seed": outcome.seed, "holds": outcome.findings.is_empty(),
        "confirmed": outcome.counts.confirmed, "unknown": outcome.counts.unknown,
        "delivered": outcome.counts.delivered, "redelivered": outcome.counts.repeated,
        "lost": found(outcome, "I1", "lost"), "unflagged_duplicates": found(outcome, "I5", "delivered twice"),
        "faults": outcome.faults.iter().map(fault).collect::<Vec<_>>(),
        "findings": outcome.findings.iter().map(finding).collect::<Vec<_>>(),
        "history": outcome.history,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Counts, Finding};

    fn outcome(findings: Vec<Finding>) -> Outcome {
        let fault = |gap: u64, bound: Option<u64>| {
            let mark = Mark { name: "f".to_owned(), begin: 0, end: 1, bound: bound.map(Duration::from_millis) };
            (mark, Gap { begin: 0, end: gap * 1_000_000 }, Duration::ZERO)
        };
        Outcome {
            scenario: "S0",
            title: "nothing",
            seed: 1,
            faults: vec![fault(400, Some(500)), fault(900, Some(2000)), fault(5000, None)],
            counts: Counts::default(),
            findings,
            over: 0,
            history: std::path::PathBuf::new(),
        }
    }

    #[test]
    fn the_fault_that_comes_closest_to_its_bound_is_shown() {
        let text = table(&[outcome(Vec::new())]);
        assert!(text.contains("400 ms") && text.contains("500 ms") && text.contains("holds"), "{text}");
    }

    #[test]
    fn what_is_found_is_counted_and_named() {
        let finding = |invariant, text: &str, count| Finding { invariant, count, text: text.to_owned() };
        let findings = vec![
            finding("I1", "lost between others that arrived: ...", 3),
            finding("I1", "lost after the last that arrived: ...", 2),
            finding("I5", "delivered twice without saying so: ...", 4),
            finding("I5", "the delivery count went back: ...", 1),
        ];
        let outcome = outcome(findings);
        assert_eq!((found(&outcome, "I1", "lost"), found(&outcome, "I5", "delivered twice")), (5, 4));
        assert_eq!(verdict(&outcome), "FAILS: I1 I5");
    }
}
