//! Tests that stock clients ship, unmodified, and Celery at work.
//!
//! What is run is fetched into the user's cache folder, with pinned versions: kombu and py-amqp as their source distributions from
//! PyPI, lapin as the crate that this workspace locks. What is not run stands in `suites/skipped.txt`, with the reason.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use xtask::{paths, python, shell};

use crate::{
    program::{Program, run_all},
    report::Report,
    stock::copy,
};

/// How long one suite may take. Each takes well below a minute; the first compilation of lapin takes two.
const LIMIT: Duration = Duration::from_secs(300);
/// What pip's source distributions unpack to, and the file of each that talks to a broker.
const PYTHON_SUITES: [(&str, &str, &str); 2] =
    [("kombu", "kombu-5.7.0", "t/integration/test_py_amqp.py"), ("py-amqp", "amqp-5.4.2", "t/integration/test_rmq.py")];
/// Result backends of Celery that need no other server.
const CELERY_BACKENDS: [&str; 2] = ["rpc", "database"];

/// Folders of this part, and the nodes.
#[derive(Debug)]
struct Place<'a> {
    /// The part's sources.
    suites: PathBuf,
    /// Where it may write.
    cache: PathBuf,
    uris: &'a [String],
}

/// Runs all suites, side by side.
///
/// # Errors
/// When there is no cache folder.
pub fn run(root: &Path, uris: &[String], report: &mut Report) -> Result<()> {
    let place = Place {
        suites: root.join("cluster-tests/conformance/suites"),
        cache: paths::cache()?.join("conformance/suites"),
        uris,
    };
    fs::create_dir_all(&place.cache).with_context(|| format!("cannot make {}", place.cache.display()))?;
    let mut programs = Vec::new();
    match interpreter(&place) {
        Ok(python) => {
            programs.extend(PYTHON_SUITES.iter().map(|suite| pytest(&place, &python, *suite)));
            programs.extend(CELERY_BACKENDS.iter().map(|backend| Ok(celery(&place, &python, backend))));
        }
        Err(error) => programs.push(Err(error)),
    }
    programs.extend(lapin(root, &place).unwrap_or_else(|error| vec![Err(error)]));
    run_all(programs, report);
    Ok(())
}

fn interpreter(place: &Place<'_>) -> Result<PathBuf> {
    let requirements = fs::read_to_string(place.suites.join("requirements.txt"))?;
    python::environment(&place.cache.join("venv"), &requirements.lines().collect::<Vec<_>>())
}

/// A suite of pytest: its source distribution is fetched once; a plugin prints the runner's lines.
fn pytest(place: &Place<'_>, python: &Path, (suite, folder, file): (&str, &str, &str)) -> Result<Program> {
    let sources = place.cache.join(folder);
    if !sources.join(file).is_file() {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
        // The environment has what the distributions are built with: pip looks at their metadata.
        pip.args(["--no-binary", ":all:", "--no-build-isolation", "--dest"]).arg(&place.cache);
        shell::quiet(pip.arg("--requirement").arg(place.suites.join("sources.txt")))?;
        let archive = place.cache.join(format!("{folder}.tar.gz"));
        let mut unpack = Command::new(python);
        unpack.args(["-m", "tarfile", "--extract"]).arg(archive).arg(&place.cache);
        shell::quiet(&mut unpack)?;
    }
    let address = place.uris.first().and_then(|uri| uri.rsplit_once('@')?.1.split('/').next()?.split_once(':'));
    let (host, port) = address.context("the first node has no host:port")?;
    let mut command = Command::new(python);
    command.args(["-B", "-m", "pytest", "-p", "pytest_lines", "-p", "no:terminal", "-p", "no:cacheprovider"]);
    command.args(["--capture=sys", file]).current_dir(sources);
    command.env("PYTHONPATH", &place.suites).env("RABBITMQ_HOST", host).env("RABBITMQ_5672_TCP", port);
    command.env("SUITE", suite).env("SKIPPED", place.suites.join("skipped.txt"));
    Ok(Program { title: format!("suite of {folder}"), command, limit: LIMIT })
}

fn celery(place: &Place<'_>, python: &Path, backend: &str) -> Program {
    let mut command = Command::new(python);
    command.arg("-B").arg(place.suites.join("celery_work")).arg(backend).args(place.uris);
    Program { title: format!("celery, results in {backend}"), command, limit: LIMIT }
}

/// The crate's tests, each with a program of its own.
fn lapin(root: &Path, place: &Place<'_>) -> Result<Vec<Result<Program>>> {
    let sources = lapin_sources(root)?;
    let folder = sources.file_name().context("the crate has no folder")?.to_string_lossy().into_owned();
    let copied = place.cache.join(&folder);
    // A registry's files are not to be written beside.
    copy(&sources, &copied)?;
    let skipped = skipped(place, "lapin")?;
    let mut tests = Vec::new();
    for entry in fs::read_dir(copied.join("tests"))? {
        tests.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    tests.sort();
    for (test, _) in &skipped {
        let (file, function) = test.split_once("::").unwrap_or((test, ""));
        let source = fs::read_to_string(copied.join("tests").join(format!("{file}.rs"))).unwrap_or_default();
        let known = tests.iter().any(|name| name == file) && source.contains(&format!("fn {function}"));
        ensure!(known, "{test}, which is on the list of skipped tests, is no test of {folder}");
    }
    let mut build = Command::new("cargo");
    arguments(&mut build, &copied, &place.cache);
    shell::quiet(build.args(["--tests", "--no-run"]))?;
    let mut script = String::new();
    for test in tests {
        script += &match skipped.iter().find(|(name, _)| *name == test) {
            Some((_, reason)) => format!("echo 'skipped - {test}: {reason}'"),
            None => format!("run {test}"),
        };
        // Single functions of a test that is run.
        let functions =
            skipped.iter().filter_map(|(name, reason)| Some((name.strip_prefix(&format!("{test}::"))?, reason)));
        let functions = functions.collect::<Vec<_>>();
        script.extend(functions.iter().map(|(function, _)| format!(" --skip {function}")));
        script.push('\n');
        script.extend(functions.iter().map(|(function, why)| format!("echo 'skipped - {test}: {function}: {why}'\n")));
    }
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{LAPIN_LINES}{script}"))
        .current_dir(&copied)
        .env("AMQP_ADDR", &place.uris[0])
        .env("RUST_LOG", "off");
    command.env("CARGO_TARGET_DIR", place.cache.join("target"));
    Ok(vec![Ok(Program { title: format!("suite of {folder}"), command, limit: LIMIT })])
}

/// Runs one of the crate's tests and turns what the test harness says of each function into the runner's lines.
const LAPIN_LINES: &str = r#"
run() {
    test=$1
    shift
    output=$(cargo test --quiet --no-default-features --features tokio --test "$test" -- --format pretty "$@" 2>&1)
    status=$?
    echo "$output" | sed -n -e "s/^test \(.*\) \.\.\. ok$/ok - $test: \1/p" -e "s/^test \(.*\) \.\.\. FAILED$/not ok - $test: \1/p"
    if [ $status != 0 ]; then
        echo "$output" >&2
        echo "$output" | grep -q ' FAILED$' || echo "not ok - $test: it runs to its end"
    fi
}
"#;

fn arguments(cargo: &mut Command, folder: &Path, cache: &Path) {
    cargo.args(["test", "--quiet", "--no-default-features", "--features", "tokio"]);
    cargo.current_dir(folder).env("CARGO_TARGET_DIR", cache.join("target"));
}

/// Where cargo keeps the sources of the crate, in the version that this workspace locks.
fn lapin_sources(root: &Path) -> Result<PathBuf> {
    let mut tree = Command::new("cargo");
    tree.args(["metadata", "--locked", "--format-version", "1"]).current_dir(root);
    let metadata = shell::capture(&mut tree)?;
    // The file names of manifests are the only place where the registry's folder of this crate is named.
    let manifest = metadata
        .split('"')
        .find(|text| text.contains("/lapin-") && text.ends_with("Cargo.toml"))
        .context("cargo does not know where lapin is")?;
    Path::new(manifest).parent().map(Path::to_path_buf).context("lapin's manifest is nowhere")
}

/// Tests of a suite that are not run, with the reasons.
fn skipped(place: &Place<'_>, suite: &str) -> Result<Vec<(String, String)>> {
    let list = fs::read_to_string(place.suites.join("skipped.txt"))?;
    Ok(parse_skipped(&list, suite))
}

fn parse_skipped(list: &str, suite: &str) -> Vec<(String, String)> {
    list.lines()
        .filter_map(|line| line.split_once(" | ").filter(|(name, _)| *name == suite)?.1.split_once(" | "))
        .map(|(test, reason)| (test.to_owned(), reason.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_skipped_tests_gives_a_reason_for_each() {
        let list = include_str!("../suites/skipped.txt");
        let lines = list.lines().filter(|line| !line.starts_with('#')).count();
        let suites = ["kombu", "py-amqp", "lapin"];
        let read = suites.iter().flat_map(|suite| parse_skipped(list, suite)).collect::<Vec<_>>();
        assert_eq!(read.len(), lines);
        assert!(read.iter().all(|(test, reason)| !test.is_empty() && !reason.is_empty()));
    }
}
