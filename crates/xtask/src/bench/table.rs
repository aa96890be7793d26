//! The comparison as a table.

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};

use super::{Outcome, Series};

/// A column: its title, how to get its figure, and how many decimals it is shown with.
type Column = (&'static str, fn(&Outcome) -> Option<f64>, usize);

/// Of each, the ratio is ours to theirs.
const COLUMNS: [Column; 6] = [
    ("messages/s", |o| Some(o.rate), 0),
    ("CPU us/message", |o| o.cpu_us, 1),
    ("confirm p50 ms", |o| o.confirm_p50_us.map(|us| us / 1e3), 2),
    ("confirm p99 ms", |o| o.confirm_p99_us.map(|us| us / 1e3), 2),
    ("disk bytes/byte", |o| o.kernel_factor, 2),
    ("RocksDB bytes/byte", |o| o.store_factor, 2),
];

/// One row per work. With another broker, cells are `ours : theirs = ratio`.
pub(super) fn render(series: &[Series]) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    let compared = series.iter().any(|one| !one.theirs.is_empty());
    let what = if compared { "quorate : other = ratio" } else { "quorate" };
    table.set_header(std::iter::once(what).chain(COLUMNS.iter().map(|(title, ..)| *title)));
    for one in series {
        let (ours, theirs) = (Outcome::median(&one.ours), Outcome::median(&one.theirs));
        let cell = |(_, figure, decimals): &Column| {
            cell(ours.as_ref().and_then(figure), theirs.as_ref().and_then(figure), *decimals)
        };
        table.add_row(std::iter::once(one.work.name.to_owned()).chain(COLUMNS.iter().map(cell)));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

fn cell(ours: Option<f64>, theirs: Option<f64>, decimals: usize) -> String {
    match (ours, theirs) {
        (None, None) => "-".to_owned(),
        (Some(ours), None) => format!("{ours:.decimals$}"),
        (None, Some(theirs)) => format!("- : {theirs:.decimals$}"),
        (Some(ours), Some(theirs)) if theirs > 0.0 => {
            format!("{ours:.decimals$} : {theirs:.decimals$} = {:.2}", ours / theirs)
        }
        (Some(ours), Some(theirs)) => format!("{ours:.decimals$} : {theirs:.decimals$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_what_is_known() {
        assert_eq!(cell(Some(60_000.0), Some(15_000.0), 0), "60000 : 15000 = 4.00");
        assert_eq!(cell(Some(12.34), None, 1), "12.3");
        assert_eq!(cell(None, None, 1), "-");
        assert_eq!(cell(Some(1.0), Some(0.0), 0), "1 : 0");
    }
}
