//! What commands print, in the shapes of RabbitMQ's formatters.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::{
    call::Call,
    table::{Extra, Key, Shape},
};

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines with tabs.
    Table,
    /// Drawn, for people.
    Pretty,
    /// For programs.
    Json,
    /// With commas.
    Csv,
}

/// What a command comes to.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Done, and nothing to say.
    Nothing,
    /// A sentence, or some.
    Text(String),
    /// A list.
    Rows(Vec<Key>, Vec<Value>),
    /// Paragraphs for people, and a document for programs.
    Document(String, Value),
}

/// What is printed before the command is done.
pub(crate) fn banner(call: &Call, format: Format, node: &str) -> Option<String> {
    let is_for_programs = matches!(format, Format::Json | Format::Csv);
    // What goes to standard output as a file should be that file alone.
    let is_piped = call.command.extra == Extra::Optional("file") && matches!(call.argument(0), "" | "-");
    let banner = match call.command.banner_with {
        Some((option, banner)) if call.flag(option) => banner,
        Some(_) | None => call.command.banner,
    };
    let is_shown = !call.is_quiet() && !is_for_programs && !is_piped && !banner.is_empty();
    is_shown.then(|| call.fill(banner, node))
}

/// The text, with a line's end where there is any.
pub(crate) fn show(output: &Output, format: Format, has_headers: bool) -> String {
    match (output, format) {
        (Output::Nothing, _) => String::new(),
        (Output::Text(text), Format::Json) => format!("{}\n", json!({"message": text})),
        (Output::Document(_, value), Format::Json) => format!("{value}\n"),
        (Output::Text(text) | Output::Document(text, _), Format::Table | Format::Pretty | Format::Csv) => {
            format!("{}\n", text.trim_end_matches('\n'))
        }
        (Output::Rows(keys, items), Format::Json) => json_rows(keys, items),
        (Output::Rows(_, items), _) if items.is_empty() => String::new(),
        (Output::Rows(keys, items), Format::Pretty) => pretty(keys, items),
        (Output::Rows(keys, items), Format::Table) => {
            let rows = items.iter().map(|item| keys.iter().map(|key| cell(&key.of(item))).collect());
            lines(keys.iter().map(|key| key.name.to_owned()).collect(), rows, "\t", has_headers)
        }
        (Output::Rows(keys, items), Format::Csv) => {
            let rows = items.iter().map(|item| keys.iter().map(|key| csv(&key.of(item))).collect());
            lines(keys.iter().map(|key| format!("\"{}\"", key.name)).collect(), rows, ",", has_headers)
        }
    }
}

fn lines(titles: Vec<String>, rows: impl Iterator<Item = Vec<String>>, between: &str, has_headers: bool) -> String {
    let titles = has_headers.then_some(titles);
    titles.into_iter().chain(rows).map(|row| row.join(between) + "\n").collect()
}

/// One object in a line, as RabbitMQ's tools write them while they come in.
fn json_rows(keys: &[Key], items: &[Value]) -> String {
    let object = |item: &Value| {
        let fields = keys.iter().map(|key| format!("\"{}\":{}", key.name, key.of(item)));
        format!("{{{}}}\n", fields.collect::<Vec<_>>().join(","))
    };
    format!("[\n{}]\n", items.iter().map(object).collect::<Vec<_>>().join(","))
}

fn pretty(keys: &[Key], items: &[Value]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(keys.iter().map(|key| key.name));
    for item in items {
        table.add_row(keys.iter().map(|key| cell(&key.of(item))));
    }
    format!("{table}\n")
}

impl Key {
    /// The value in an item.
    pub(crate) fn of(&self, item: &Value) -> Value {
        let value = || self.path.split('.').fold(item, |value, key| &value[key]);
        match self.shape {
            Shape::Plain => value().clone(),
            Shape::Encoded => Value::String(value().to_string()),
            Shape::Constant(text) => text.into(),
        }
    }
}

/// A value in a cell: text without what would break the line, lists and tables as Erlang writes them.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        Value::Array(items) => format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| format!("{{\"{}\",{}}}", escaped(name), term(value)));
            format!("[{}]", pairs.collect::<Vec<_>>().join(","))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn term(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", escaped(text)),
        Value::Array(items) => format!("[{}]", items.iter().map(term).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => cell(value),
    }
}

/// Backslashes stay as they are, for the sake of patterns.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii_control() => escaped.push_str(&format!("\\{:03o}", u32::from(letter))),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn csv(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            format!("\"{}\"", cell(value).replace('"', "\"\""))
        }
    }
}

#[cfg(test)]
mod tests;
