//! A picture of a run: confirms and deliveries per tenth of a second, with the faults as bands.

use std::fmt::Write as _;

use anyhow::Result;

use crate::{
    history::{Merged, Op, Phase},
    stage::Outcome,
};

const WIDTH: u64 = 1200;
const HEIGHT: u64 = 260;
/// Room for words above and below the curves.
const TOP: u64 = 40;
const BOTTOM: u64 = 30;
/// Width of a bin. Unit: nanoseconds.
const BIN: u64 = 100_000_000;

/// The picture as SVG.
pub(super) fn draw(outcome: &Outcome) -> Result<String> {
    let bins = usize::try_from(outcome.over / BIN + 1)?;
    let (mut confirms, mut deliveries) = (vec![0_u64; bins], vec![0_u64; bins]);
    for event in Merged::open(&outcome.history)? {
        let event = event?;
        let counts = match (event.op, event.phase) {
            (Op::Publish, Phase::Ok) => &mut confirms,
            (Op::Deliver, _) => &mut deliveries,
            _ => continue,
        };
        if let Some(count) = counts.get_mut(usize::try_from(event.t / BIN)?) {
            *count += 1;
        }
    }
    let most = confirms.iter().chain(&deliveries).copied().max().unwrap_or(1).max(1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for (number, (mark, gap, _)) in outcome.faults.iter().enumerate() {
        let (left, right) = (x(mark.begin, outcome.over), x(mark.end.min(outcome.over), outcome.over));
        let (height, width) = (HEIGHT - TOP - BOTTOM, (right - left).max(1));
        writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\" fill=\"#fbd5d5\"><title>{}: gap {} \
             ms</title></rect>",
            escaped(&mark.name),
            gap.length().as_millis()
        )?;
        // Names of neighbours stand one above the other.
        let line = 12 + 12 * (number % 2);
        writeln!(svg, "<text x=\"{left}\" y=\"{line}\" fill=\"#a00\">{}</text>", escaped(&mark.name))?;
    }
    for (counts, colour) in [(&deliveries, "#9bb8d3"), (&confirms, "#1f5f99")] {
        let points = (0..).zip(counts).map(|(bin, count)| {
            let height = (HEIGHT - TOP - BOTTOM) * count / most;
            format!("{},{}", x(bin * BIN, outcome.over), HEIGHT - BOTTOM - height)
        });
        let points = points.collect::<Vec<_>>().join(" ");
        writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>")?;
    }
    writeln!(
        svg,
        "<text x=\"4\" y=\"{}\">{} (seed {}): confirms (dark) and deliveries (light) per second, up to {}; {} s</text>\n</svg>",
        HEIGHT - 10,
        escaped(outcome.title),
        outcome.seed,
        most * 1_000_000_000 / BIN,
        outcome.over / 1_000_000_000
    )?;
    Ok(svg)
}

fn x(at: u64, over: u64) -> u64 {
    at * WIDTH / over.max(1)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
