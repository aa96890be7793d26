//! All commands: what each takes, what it prints first, and what it does.

mod access;
mod node;
mod refused;
mod settings;
mod things;

use serde_json::Value;

use super::{
    Program,
    act::Context,
    call::{Call, GLOBAL},
    failure::Result,
    format::Output,
};

/// One command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    scope: Scope,
    /// The names of the arguments that it needs.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) extra: Extra,
    pub(crate) options: &'static [Opt],
    /// What is printed first, with what was given in braces; empty: nothing.
    pub(crate) banner: &'static str,
    /// What is printed instead when that option was given.
    pub(crate) banner_with: Option<(&'static str, &'static str)>,
    pub(crate) action: Action,
    /// What it comes to that something is not there: the exit code and the text.
    pub(crate) missing: Option<(u8, &'static str)>,
}

/// Whose command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Ctl,
    Diagnostics,
    Both,
}

/// Arguments after those that are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    Optional(&'static str),
    Many(&'static str),
}

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) takes_value: bool,
    pub(crate) default: Option<&'static str>,
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Puts a body.
    Put(&'static str, &'static [(&'static str, Field)]),
    /// Deletes.
    Delete(&'static str),
    /// Prints a list.
    List(&'static Listing),
    /// What needs more than one request, or none.
    Run(fn(&Context<'_>) -> Result<Output>),
    /// Nothing: what to do instead.
    Refuse(&'static str),
}

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    /// Text.
    Text(&'static str),
    /// The text of a JSON value.
    Json(&'static str),
    /// A number.
    Number(&'static str),
    /// An option's text, where it was given.
    Given(&'static str),
}

/// A list and its columns.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) path: &'static str,
    pub(crate) keys: &'static [Key],
    /// The columns that are shown when none are named; empty: all.
    pub(crate) defaults: &'static [&'static str],
    /// Which of the items are meant.
    pub(crate) is_wanted: fn(&Call, &Value) -> bool,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The way to its value: keys with dots between.
    pub(crate) path: &'static str,
    pub(crate) shape: Shape,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    Plain,
    /// As the text of its JSON.
    Encoded,
    /// Always this.
    Constant(&'static str),
}

const fn key(name: &'static str) -> Key {
    Key { name, path: name, shape: Shape::Plain }
}

const fn at(name: &'static str, path: &'static str) -> Key {
    Key { name, path, shape: Shape::Plain }
}

const fn encoded(name: &'static str) -> Key {
    Key { name, path: name, shape: Shape::Encoded }
}

const fn constant(name: &'static str, text: &'static str) -> Key {
    Key { name, path: name, shape: Shape::Constant(text) }
}

fn all(_: &Call, _: &Value) -> bool {
    true
}

fn of_vhost(call: &Call, item: &Value) -> bool {
    item["vhost"] == call.vhost()
}

impl Opt {
    pub(crate) const fn value(name: &'static str) -> Self {
        Opt { name, short: None, takes_value: true, default: None }
    }

    pub(crate) const fn flag(name: &'static str) -> Self {
        Opt { name, short: None, takes_value: false, default: None }
    }

    pub(crate) const fn short(self, short: char) -> Self {
        Opt { short: Some(short), ..self }
    }

    pub(crate) const fn default(self, default: &'static str) -> Self {
        Opt { default: Some(default), ..self }
    }
}

const fn command(
    name: &'static str,
    arguments: &'static [&'static str],
    banner: &'static str,
    action: Action,
) -> Command {
    Command {
        name,
        scope: Scope::Ctl,
        arguments,
        extra: Extra::None,
        options: &[],
        banner,
        banner_with: None,
        action,
        missing: None,
    }
}

impl Command {
    const fn scope(self, scope: Scope) -> Self {
        Command { scope, ..self }
    }

    const fn extra(self, extra: Extra) -> Self {
        Command { extra, ..self }
    }

    const fn options(self, options: &'static [Opt]) -> Self {
        Command { options, ..self }
    }

    const fn banner_with(self, option: &'static str, banner: &'static str) -> Self {
        Command { banner_with: Some((option, banner)), ..self }
    }

    const fn missing(self, code: u8, text: &'static str) -> Self {
        Command { missing: Some((code, text)), ..self }
    }

    fn is_of(&self, program: Program) -> bool {
        match self.scope {
            Scope::Both => true,
            Scope::Ctl => program == Program::Ctl,
            Scope::Diagnostics => program == Program::Diagnostics,
        }
    }

    /// How it is called.
    pub(crate) fn usage(&self, program: Program) -> String {
        let mut words = vec![program.name().to_owned(), "[--node <url>] [--quiet]".to_owned(), self.name.to_owned()];
        words.extend(self.arguments.iter().map(|name| format!("<{name}>")));
        match self.extra {
            Extra::None => {}
            Extra::Optional(name) => words.push(format!("[<{name}>]")),
            Extra::Many(name) => words.push(format!("[<{name}> ...]")),
        }
        for option in self.options {
            let value = if option.takes_value { " <value>" } else { "" };
            words.push(format!("[--{}{value}]", option.name));
        }
        words.join(" ")
    }

    /// Those of the arguments that are no columns of the list, with commas between.
    pub(crate) fn unknown_columns(&self, arguments: &[String]) -> Option<String> {
        let Action::List(listing) = self.action else { return None };
        let columns = arguments.get(self.arguments.len()..).unwrap_or_default();
        let unknown = columns.iter().filter(|name| !listing.keys.iter().any(|key| key.name == **name));
        let unknown: Vec<&str> = unknown.map(String::as_str).collect();
        (!unknown.is_empty()).then(|| unknown.join(","))
    }
}

impl Listing {
    /// The columns that are asked for.
    pub(crate) fn columns(&self, asked: &[String]) -> Vec<Key> {
        let find = |name: &str| self.keys.iter().find(|key| key.name == name).copied();
        match (asked, self.defaults) {
            ([], []) => self.keys.to_vec(),
            ([], defaults) => defaults.iter().filter_map(|name| find(name)).collect(),
            (asked, _) => asked.iter().filter_map(|name| find(name)).collect(),
        }
    }
}

/// All commands of both programs.
pub(crate) fn commands() -> impl Iterator<Item = &'static Command> {
    let tables = [access::COMMANDS, settings::COMMANDS, things::COMMANDS, node::COMMANDS, refused::COMMANDS];
    tables.into_iter().flatten()
}

pub(crate) fn find(program: Program, name: &str) -> Option<&'static Command> {
    commands().find(|command| command.name == name && command.is_of(program))
}

/// The option of that name, such as `--vhost` or `-p`, of any command.
pub(crate) fn option(word: &str) -> Option<&'static Opt> {
    let mut all = GLOBAL.iter().chain(commands().flat_map(|command| command.options));
    all.find(|option| match word.strip_prefix("--") {
        Some(name) => option.name == name,
        None => option.short.is_some_and(|short| word.strip_prefix('-') == Some(short.encode_utf8(&mut [0; 4]))),
    })
}

/// The names of all commands.
pub(crate) fn overview(program: Program) -> String {
    let mut names: Vec<&str> = commands()
        .filter(|command| command.is_of(program) && !matches!(command.action, Action::Refuse(_)))
        .map(|command| command.name)
        .collect();
    names.sort_unstable();
    let name = program.name();
    format!(
        "Usage\n\n{name} [--node <url>] [--vhost <vhost>] [--timeout <seconds>] [--quiet] [--silent] [--formatter <formatter>] <command> \
         [<command options>]\n\nCommands\n\n  {}",
        names.join("\n  ")
    )
}

#[cfg(test)]
mod tests;
