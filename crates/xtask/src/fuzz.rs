//! `cargo xtask fuzz`: replays the corpora of everything that reads foreign bytes, and lets libFuzzer look for more.
//!
//! libFuzzer needs a nightly compiler, which instruments the code; nothing else has to be installed. What it finds new lies in the
//! cache folder, never in the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{cargo, paths, shell};

/// The targets are a workspace of their own.
pub const MANIFEST: &str = "cluster-tests/fuzz/Cargo.toml";
const BINARIES: &str = "cluster-tests/fuzz/fuzz_targets";
const CORPUS: &str = "cluster-tests/fuzz/corpus";
/// How long each target runs as a step of the tests. Unit: seconds.
const TEST_SECONDS: u64 = 3;
/// A change must not fail for what another would have found: the tests always try the same.
const TEST_SEED: u32 = 1;
/// libFuzzer takes a seed of its own.
const BY_CHANCE: u32 = 0;
/// Longer inputs find nothing that these do not. Unit: bytes.
const INPUT_BYTES_MAX: u32 = 4096;
/// An input that takes longer is a finding. Unit: seconds.
const INPUT_SECONDS_MAX: u32 = 20;
/// Lines of a run's output that are shown when something was found.
const LINES_SHOWN: usize = 60;

/// As cargo-fuzz has them: libFuzzer's counters and comparisons, and the address sanitizer.
const FLAGS: [&str; 8] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
    "--cfg",
    "fuzzing",
];

/// What to run.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// One target (the files of cluster-tests/fuzz/fuzz_targets); all, one after the other, when none is named
    target: Option<String>,
    /// How long each runs
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Run the target on this file alone
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// Runs the task.
///
/// # Errors
/// When the build fails, or something was found.
pub fn run(args: &FuzzArgs) -> Result<()> {
    let root = paths::root()?;
    let mut targets = targets(&root)?;
    if let Some(wanted) = &args.target {
        if !targets.contains(wanted) {
            bail!("there is no target {wanted}, but {}", targets.join(", "));
        }
        targets.retain(|target| target == wanted);
    }
    let Some(nightly) = Nightly::find()? else { return replay(&root) };
    nightly.build(&root, &targets)?;
    if let (Some(input), [target]) = (&args.input, targets.as_slice()) {
        return shell::run(nightly.target(target)?.arg(input));
    }
    nightly.run(&root, &targets, &paths::cache()?.join("fuzz").join("corpus"), args.seconds, BY_CHANCE)
}

/// The part that every change must pass: the corpora, and a few seconds for each target, from the same start on every machine.
///
/// # Errors
/// When the build fails, or something was found.
pub fn bounded(root: &Path) -> Result<()> {
    replay(root)?;
    let Some(nightly) = Nightly::find()? else { return Ok(()) };
    let targets = targets(root)?;
    nightly.build(root, &targets)?;
    let found = paths::cache()?.join("fuzz").join("bounded");
    if found.exists() {
        fs::remove_dir_all(&found).with_context(|| format!("cannot remove {}", found.display()))?;
    }
    nightly.run(root, &targets, &found, TEST_SECONDS, TEST_SEED)
}

/// Every file of the corpora, and changes of it, with the compiler that there is.
fn replay(root: &Path) -> Result<()> {
    cargo::run(root, &["test", "--release", "--locked", "--manifest-path", MANIFEST])
}

/// The names of all targets.
fn targets(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(BINARIES);
    let files = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let stem = |file: fs::DirEntry| file.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files.flatten().filter_map(stem).collect();
    targets.sort();
    Ok(targets)
}

/// A nightly compiler.
struct Nightly {
    /// What it compiles for by itself. It is named all the same: then build scripts are not instrumented.
    host: String,
}

impl Nightly {
    /// The one that rustup has; says so when there is none.
    fn find() -> Result<Option<Nightly>> {
        let list =
            shell::which("rustup").map(|rustup| shell::capture(Command::new(rustup).args(["toolchain", "list"])));
        let Some(host) = list.transpose()?.as_deref().and_then(host) else {
            println!("no nightly compiler here (rustup toolchain install nightly): only the corpora are replayed");
            return Ok(None);
        };
        Ok(Some(Nightly { host }))
    }

    fn build(&self, root: &Path, targets: &[String]) -> Result<()> {
        let mut args = vec!["build", "--release", "--locked", "--manifest-path", MANIFEST, "--features", "libfuzzer"];
        args.extend(["--target", &self.host]);
        args.extend(targets.iter().flat_map(|target| ["--bin", target]));
        shell::run(cargo::nightly(root, &args)?.env("RUSTFLAGS", FLAGS.join(" ")))
    }

    fn target(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(paths::target()?.join(&self.host).join("release").join(name));
        // Nothing here can leak but what is meant to live as long as the process.
        command.env("ASAN_OPTIONS", "detect_leaks=0").arg(format!("-timeout={INPUT_SECONDS_MAX}"));
        Ok(command)
    }

    /// Runs each target for some seconds, from libFuzzer's seed on. What it finds new goes to a folder of its own below `found`.
    fn run(&self, root: &Path, targets: &[String], found: &Path, seconds: u64, seed: u32) -> Result<()> {
        let mut broken = Vec::new();
        for target in targets {
            let folder = found.join(target);
            let crashes = paths::cache()?.join("fuzz").join("crashes").join(target);
            for folder in [&folder, &crashes] {
                fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            }
            let mut command = self.target(target)?;
            command.arg(format!("-artifact_prefix={}/", crashes.display()));
            let limits = [format!("-max_total_time={seconds}"), format!("-max_len={INPUT_BYTES_MAX}")];
            command.args(limits).arg(format!("-seed={seed}"));
            let output = command.arg(&folder).arg(root.join(CORPUS).join(target)).output();
            let output = output.with_context(|| format!("cannot run the target {target}"))?;
            let text = String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                println!("{target}: {}", summary(&text).unwrap_or_default());
                continue;
            }
            let lines: Vec<&str> = text.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n"));
            let input = artifact(&text).unwrap_or_default();
            println!("\n{target}: run it again with\n    cargo xtask fuzz {target} --input {input}\n");
            broken.push(target.as_str());
        }
        if broken.is_empty() { Ok(()) } else { bail!("something is wrong with what reads {}", broken.join(", ")) }
    }
}

/// What a nightly compiler in rustup's list compiles for.
fn host(list: &str) -> Option<String> {
    let mut names = list.lines().filter_map(|line| line.split_whitespace().next());
    names.find_map(|name| name.strip_prefix("nightly-")).map(str::to_owned)
}

/// `Done 1000 runs in 11 second(s)`
fn summary(text: &str) -> Option<&str> {
    text.lines().rev().find(|line| line.starts_with("Done "))
}

/// `artifact_prefix='...'; Test unit written to FILE`
fn artifact(text: &str) -> Option<&str> {
    text.lines().rev().find_map(|line| line.split_once("Test unit written to ")).map(|(_, file)| file.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nightly_compiler_is_found_among_others() {
        let list = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-x86_64-unknown-linux-gnu (installed)\n";
        assert_eq!(host(list).as_deref(), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host("stable-aarch64-apple-darwin (default)\n"), None);
    }

    #[test]
    fn what_a_run_says_is_found() {
        let text = "#4 pulse\nartifact_prefix='/c/'; Test unit written to /c/crash-1\nBase64: AA==\n";
        assert_eq!(artifact(text), Some("/c/crash-1"));
        assert_eq!(summary("#8 DONE cov: 9\nDone 8 runs in 1 second(s)\n"), Some("Done 8 runs in 1 second(s)"));
        assert_eq!((artifact("Done"), summary("#1")), (None, None));
    }
}
