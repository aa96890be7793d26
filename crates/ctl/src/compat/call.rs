//! A command as it was called: its arguments and options.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Program,
    failure::{DATA, Failure, Result, USAGE},
    format::Format,
    table::{self, Action, Command, Extra, Opt},
};
use crate::client::{TIMEOUT, part};

/// What every command takes, before it or after it.
pub(crate) const GLOBAL: &[Opt] = &[
    Opt::value("node").short('n'),
    Opt::value("vhost").short('p').default("/"),
    Opt::flag("quiet").short('q'),
    Opt::flag("silent").short('s'),
    Opt::value("formatter"),
    Opt::value("printer"),
    Opt::flag("no-table-headers"),
    Opt::flag("table-headers"),
    Opt::value("timeout").short('t'),
    Opt::flag("longnames").short('l'),
    Opt::value("erlang-cookie"),
    Opt::flag("help").short('h'),
];

/// A command as it was called.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) program: Program,
    pub(crate) command: &'static Command,
    pub(crate) arguments: Vec<String>,
    options: BTreeMap<&'static str, String>,
}

impl Call {
    pub(crate) fn parse(program: Program, words: &[String]) -> Result<Self> {
        let Words { mut arguments, options, unknown } = split(words);
        if options.contains_key("help") {
            arguments.insert(0, "help".to_owned());
            arguments.truncate(2);
        }
        if arguments.is_empty() {
            return Err(Failure::plain(USAGE, table::overview(program)));
        }
        let name = arguments.remove(0);
        let command = table::find(program, &name).ok_or_else(|| {
            Failure::plain(USAGE, format!("\nCommand '{name}' not found.\n\n{}", table::overview(program)))
        })?;
        let call = Call { program, command, arguments, options };
        if matches!(command.action, Action::Refuse(_)) {
            return Ok(call);
        }
        let foreign = call.options.keys().filter(|name| {
            let is_its = |option: &Opt| option.name == **name;
            !GLOBAL.iter().any(is_its) && !command.options.iter().any(is_its)
        });
        let invalid: Vec<String> = foreign.map(|name| format!("--{name}")).chain(unknown).collect();
        let wrong = |code, why: &str| {
            let given = words.join(" ");
            let usage = command.usage(program);
            Failure::plain(
                code,
                format!("Error (argument validation): {why}\nArguments given:\n\t{given}\n\nUsage\n\n{usage}"),
            )
        };
        if !invalid.is_empty() {
            return Err(wrong(USAGE, &format!("Invalid options for this command:\n{}", invalid.join("\n"))));
        }
        if call.arguments.len() < command.arguments.len() {
            return Err(wrong(USAGE, "not enough arguments."));
        }
        let most = match command.extra {
            Extra::None => Some(command.arguments.len()),
            Extra::Optional(_) => Some(command.arguments.len() + 1),
            Extra::Many(_) => None,
        };
        if most.is_some_and(|most| call.arguments.len() > most) {
            return Err(wrong(USAGE, "too many arguments."));
        }
        if let Some(keys) = command.unknown_columns(&call.arguments) {
            return Err(wrong(USAGE, &format!("Info key(s) {keys} are not supported")));
        }
        Ok(call)
    }

    /// What an option was given, or its default.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let default = || self.command.options.iter().chain(GLOBAL).find(|option| option.name == name)?.default;
        self.options.get(name).map(String::as_str).or_else(default)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    pub(crate) fn vhost(&self) -> &str {
        self.option("vhost").unwrap_or("/")
    }

    /// The argument of that place; empty when it was not given.
    pub(crate) fn argument(&self, at: usize) -> &str {
        self.arguments.get(at).map_or("", String::as_str)
    }

    /// Where the node is, when `--node` says so. Names of Erlang's nodes mean the node on this machine.
    pub(crate) fn url(&self) -> Option<&str> {
        self.option("node").filter(|node| node.contains("://"))
    }

    pub(crate) fn timeout(&self) -> Result<Duration> {
        let Some(text) = self.option("timeout").filter(|text| *text != "infinity") else { return Ok(TIMEOUT) };
        let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
        let seconds =
            seconds.ok_or_else(|| Failure::new(DATA, format!("timeout '{text}' is not a number of seconds")))?;
        Ok(Duration::from_secs(seconds))
    }

    pub(crate) fn format(&self) -> Result<Format> {
        match self.option("formatter") {
            None | Some("table" | "string") => Ok(Format::Table),
            Some("pretty_table") => Ok(Format::Pretty),
            Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            Some(other) => Err(Failure::new(
                USAGE,
                format!("there is no formatter '{other}' here: take table, pretty_table, json or csv"),
            )),
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.flag("quiet") || self.flag("silent")
    }

    pub(crate) fn has_headers(&self) -> bool {
        !self.flag("silent") && !self.flag("no-table-headers")
    }

    /// The text with what it names in braces: `{0}` an argument, `{1..}` all from there, `{name}` an option.
    pub(crate) fn fill(&self, template: &str, node: &str) -> String {
        self.filled(template, |name| if name == "node" { node.to_owned() } else { self.named(name) })
    }

    /// The same as a path, whose parts are the values.
    pub(crate) fn path(&self, template: &str) -> String {
        self.filled(template, |name| part(&self.named(name)))
    }

    fn filled(&self, template: &str, value: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(before);
            text.push_str(&value(name));
            rest = behind;
        }
        text + rest
    }

    fn named(&self, name: &str) -> String {
        if let Some(from) = name.strip_suffix("..").and_then(|from| from.parse().ok()) {
            return self.arguments.get::<std::ops::RangeFrom<usize>>(from..).unwrap_or_default().join(", ");
        }
        match name.parse() {
            Ok(at) => self.argument(at).to_owned(),
            Err(_) => self.option(name).unwrap_or_default().to_owned(),
        }
    }
}

/// Words, taken apart.
#[derive(Debug, Default)]
struct Words {
    arguments: Vec<String>,
    options: BTreeMap<&'static str, String>,
    unknown: Vec<String>,
}

fn split(words: &[String]) -> Words {
    let mut split = Words::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            split.arguments.extend(words.by_ref().cloned());
            break;
        }
        // "-" is standard output, and "-1" a number.
        let is_option = word.len() > 1 && word.starts_with('-') && word.parse::<f64>().is_err();
        if !is_option {
            split.arguments.push(word.clone());
            continue;
        }
        let (name, value) = word.split_once('=').map_or((&**word, None), |(name, value)| (name, Some(value)));
        match table::option(&name.replace('_', "-")) {
            Some(option) if !option.takes_value => drop(split.options.insert(option.name, "true".to_owned())),
            Some(option) => match value.or_else(|| words.next().map(String::as_str)) {
                Some(value) => drop(split.options.insert(option.name, value.to_owned())),
                None => split.unknown.push(format!("{word} : needs a value")),
            },
            None => split.unknown.push(word.clone()),
        }
    }
    split
}

#[cfg(test)]
mod tests;
