//! Running other programs: loud on failure, quiet on success.

use std::{
    env,
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Runs a program with this task's input and output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a program and returns what it wrote to its standard output; its standard error goes to this task's.
///
/// # Errors
/// When it cannot be started, does not succeed, or does not write UTF-8.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` did not write UTF-8"))
}

/// Runs a program without showing what it writes, unless it fails.
///
/// # Errors
/// When it cannot be started or does not succeed; the error holds its output.
pub fn quiet(command: &mut Command) -> Result<()> {
    let line = line(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        bail!("`{line}` failed ({}):\n{}", output.status, String::from_utf8_lossy(&text).trim_end());
    }
    Ok(())
}

/// Where a program is, looked for as a shell would.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The command as a user would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
