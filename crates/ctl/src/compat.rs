//! The same administration in the words of `rabbitmqctl` and `rabbitmq-diagnostics`, for scripts and charts that call these.
//!
//! One table says what each command takes, what it prints first and what it asks of the HTTP API. What a node of this broker
//! has no use for, such as Erlang's shell, is refused with the way to go instead.

mod act;
mod call;
mod failure;
mod format;
mod table;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::{client::Client, target::Target};
use call::Call;
use failure::Failure;
use table::Action;

/// Whose words are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `rabbitmqctl`
    Ctl,
    /// `rabbitmq-diagnostics`
    Diagnostics,
}

impl Program {
    const ALL: [Program; 2] = [Program::Ctl, Program::Diagnostics];

    fn name(self) -> &'static str {
        match self {
            Program::Ctl => "rabbitmqctl",
            Program::Diagnostics => "rabbitmq-diagnostics",
        }
    }

    fn parse(word: &OsString) -> Option<Self> {
        let name = Path::new(word).file_name()?;
        Self::ALL.into_iter().find(|program| name == program.name())
    }
}

/// The program that is meant and what it is given: by the name of the binary, which may be a link, or by its first argument.
///
/// `None` for any other call of the binary.
pub fn called_as(arguments: impl Iterator<Item = OsString>) -> Option<(Program, Vec<String>)> {
    let arguments: Vec<OsString> = arguments.collect();
    let (program, given) = match arguments.as_slice() {
        [binary, rest @ ..] if Program::parse(binary).is_some() => (Program::parse(binary)?, rest),
        // A path is no name of a command.
        [_, first, rest @ ..] if first.to_str().is_some_and(|word| !word.contains('/')) => {
            (Program::parse(first)?, rest)
        }
        _ => return None,
    };
    Some((program, given.iter().map(|word| word.to_string_lossy().into_owned()).collect()))
}

/// Does it, and says how it went.
pub fn run(program: Program, arguments: &[String]) -> ExitCode {
    let done = Call::parse(program, arguments).and_then(|call| execute(&call));
    match done {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn execute(call: &Call) -> Result<String, Failure> {
    let format = call.format()?;
    if let Action::Refuse(instead) = call.command.action {
        return Err(Failure::unavailable(format!("'{}' cannot be done here: {instead}", call.command.name)));
    }
    let client = Client::new(&Target::from_env(call.url()), call.timeout()?);
    if let Some(banner) = format::banner(call, format, client.node()) {
        print(&format!("{banner}\n"));
    }
    let output = act::act(call, &client)?;
    Ok(format::show(&output, format, call.has_headers()))
}

/// Whoever reads may have read enough, such as `head`: that is no error.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(words: &[&str]) -> Option<(Program, Vec<String>)> {
        called_as(words.iter().map(OsString::from))
    }

    #[test]
    fn a_link_decides_which_program_is_meant() {
        let given = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(called(&["/usr/bin/rabbitmqctl", "-q", "ping"]), Some((Program::Ctl, given(&["-q", "ping"]))));
        assert_eq!(called(&["rabbitmq-diagnostics"]), Some((Program::Diagnostics, Vec::new())));
        assert_eq!(called(&["quorate", "rabbitmqctl", "status"]), Some((Program::Ctl, given(&["status"]))));
        assert_eq!(called(&["quorate", "server"]), None);
        assert_eq!(called(&["quorate", "/usr/bin/rabbitmqctl"]), None);
        assert_eq!(called(&["quorate"]), None);
    }
}
