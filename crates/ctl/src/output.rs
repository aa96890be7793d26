//! Lists as tables, JSON, CSV, or lines with tabs.

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value};

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// With commas.
    Csv,
    /// With tabs, a line of titles first.
    Tabs,
}

/// A column: its title, and the way to its value: keys with dots between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) path: String,
}

/// Columns whose titles are the ways to their values.
pub(crate) fn columns(paths: &[&str]) -> Vec<Column> {
    paths.iter().map(|path| Column { title: (*path).to_owned(), path: (*path).to_owned() }).collect()
}

/// The list as text, with a line's end.
pub(crate) fn list(items: &[Value], columns: &[Column], format: Format) -> String {
    let rows = || items.iter().map(|item| columns.iter().map(move |column| text(look_up(item, &column.path))));
    let titles = || columns.iter().map(|column| column.title.clone());
    match format {
        Format::Json => {
            let pick = |item: &Value| {
                let fields = columns.iter().map(|column| (column.title.clone(), look_up(item, &column.path).clone()));
                Value::Object(fields.collect::<Map<_, _>>())
            };
            let picked: Vec<Value> = items.iter().map(pick).collect();
            format!("{}\n", serde_json::to_string_pretty(&picked).unwrap_or_default())
        }
        Format::Table => {
            let mut table = Table::new();
            table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
            table.set_header(titles());
            for row in rows() {
                table.add_row(row);
            }
            format!("{table}\n")
        }
        Format::Csv => lines(titles().collect(), rows().map(|row| row.map(|text| quoted(&text)).collect()), ","),
        Format::Tabs => lines(titles().collect(), rows().map(Iterator::collect), "\t"),
    }
}

fn lines(titles: Vec<String>, rows: impl Iterator<Item = Vec<String>>, between: &str) -> String {
    std::iter::once(titles).chain(rows).map(|row| row.join(between) + "\n").collect()
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn look_up<'a>(item: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(item, |value, key| &value[key])
}

/// A value in a cell.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(text).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items() -> Vec<Value> {
        vec![json!({"name": "a,b", "n": 1, "in": {"k": "v"}}), json!({"name": "c", "tags": ["x", "y"]})]
    }

    #[test]
    fn lists_are_printed_in_each_format() {
        let columns = columns(&["name", "n", "in.k"]);
        assert_eq!(list(&items(), &columns, Format::Tabs), "name\tn\tin.k\na,b\t1\tv\nc\t\t\n");
        assert_eq!(list(&items(), &columns, Format::Csv), "name,n,in.k\n\"a,b\",1,v\nc,,\n");
        let read: Value = serde_json::from_str(&list(&items(), &columns, Format::Json)).unwrap();
        assert_eq!(read[0], json!({"name": "a,b", "n": 1, "in.k": "v"}));
        assert!(list(&items(), &columns, Format::Table).contains("a,b"));
    }

    #[test]
    fn cells_show_what_people_read() {
        assert_eq!(text(&json!(["x", "y"])), "x, y");
        assert_eq!(text(&json!({})), "");
        assert_eq!(text(&json!(true)), "true");
    }
}
