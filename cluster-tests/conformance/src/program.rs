//! Runs a program that prints a line per behaviour, and several of them at once.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::report::Report;

/// Lines that may wait for their reader: a program that prints more goes on as they are read.
const LINES_WAITING_MAX: usize = 64;

/// A program and what it is about.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) title: String,
    pub(crate) command: Command,
    /// It is ended after this long.
    pub(crate) limit: Duration,
}

/// Runs a program and hands on its lines as they come. That a behaviour failed is in its lines.
pub(crate) fn follow(command: &mut Command, limit: Duration, mut line: impl FnMut(&str)) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start it")?;
    let output = child.stdout.take().context("it has no output")?;
    let (sender, lines) = sync_channel(LINES_WAITING_MAX);
    // Ends when the program's output does, or nobody listens any more.
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).all(|text| sender.send(text).is_ok()));
    let mut failed = false;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(text) => {
                failed |= text.starts_with("not ok - ");
                line(&text);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child)?;
                bail!("it did not end within {} s", limit.as_secs());
            }
        }
    }
    let status = child.wait()?;
    ensure!(status.success() || failed, "it ended with {status}");
    Ok(())
}

fn end(child: &mut Child) -> Result<()> {
    child.kill().context("cannot end it")?;
    child.wait().map(drop).context("cannot end it")
}

/// Runs programs side by side, and reports the lines of each under its title when it has ended.
pub(crate) fn run_all(programs: Vec<Result<Program>>, report: &mut Report) {
    thread::scope(|scope| {
        let running = programs
            .into_iter()
            .map(|program| scope.spawn(move || program.map(|program| (program.title.clone(), lines_of(program)))))
            .collect::<Vec<_>>();
        for program in running {
            match program.join().unwrap_or_else(|_| Err(anyhow!("the runner failed"))) {
                Ok((title, (lines, result))) => {
                    report.heading(&title);
                    let before = report.count();
                    lines.iter().for_each(|line| report.line(line));
                    let nothing = report.count() == before;
                    if result.is_err() || nothing {
                        let outcome = result.and(Err(anyhow!("it looked at nothing")));
                        report.record(&format!("{title} runs to its end"), outcome);
                    }
                }
                Err(error) => report.record("what a suite needs can be had", Err(error)),
            }
        }
    });
}

fn lines_of(mut program: Program) -> (Vec<String>, Result<()>) {
    let mut lines = Vec::new();
    let result = follow(&mut program.command, program.limit, |line| lines.push(line.to_owned()));
    (lines, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let mut lines = Vec::new();
        let result = follow(&mut shell("echo 'ok - a'; exec sleep 60"), Duration::from_millis(200), |line| {
            lines.push(line.to_owned());
        });
        assert!(result.is_err());
        assert_eq!(lines, ["ok - a"]);
    }

    #[test]
    fn a_program_that_fails_without_saying_what_is_a_failure_itself() {
        let limit = Duration::from_secs(20);
        assert!(follow(&mut shell("echo 'ok - a'; exit 3"), limit, |_| ()).is_err());
        assert!(follow(&mut shell("echo 'not ok - a: no'; exit 1"), limit, |_| ()).is_ok());
        let mut report = Report::default();
        let program = |script| Ok(Program { title: "it".to_owned(), command: shell(script), limit });
        run_all(vec![program("true"), program("echo 'ok - a'")], &mut report);
        assert_eq!(report.count(), 2);
        assert!(report.finish().is_err());
    }
}
