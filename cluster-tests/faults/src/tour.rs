//! Several scenarios, one after the other, and what is left behind afterwards: nothing but histories and reports.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    report,
    scenario::{ALL, Scenario},
    stage::{self, Outcome, Setting},
    world,
};

/// A file system in memory has no neighbours. It is used when it has room for all disks of a run, which take what is written.
const IN_MEMORY: &str = "/dev/shm";
/// Unit: bytes.
const IN_MEMORY_ROOM: u64 = 4 * 1024 * 1024 * 1024;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Tour {
    /// The broker.
    pub binary: PathBuf,
    /// What can stand between nodes and their kernels.
    pub shim: PathBuf,
    /// An earlier version of the broker; upgrades are skipped without one.
    pub old_binary: Option<PathBuf>,
    /// Histories and reports go here, and what was here before is removed.
    pub folder: PathBuf,
    /// Only scenarios whose id is this, or begins with this and a dash; none: all.
    pub scenario: Option<String>,
    /// Only those that every change must pass.
    pub is_quick: bool,
    /// What is by chance comes from this.
    pub seed: u64,
    /// How long faults are made in each scenario.
    pub faults_for: Duration,
    /// Whether times without confirms are held against their bounds.
    pub is_timed: bool,
}

/// Cleans up however the run ends, short of SIGKILL: then the next run does.
struct Cleaner(PathBuf);

impl Drop for Cleaner {
    fn drop(&mut self) {
        world::sweep(&self.0);
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs the scenarios and prints what came of them; true when all is as it must be.
///
/// # Errors
/// When no scenario has such a name, or a run fails in a way that says nothing about the broker.
pub fn run(tour: &Tour) -> Result<bool> {
    let chosen = ALL.iter().filter(|scenario| is_chosen(tour, scenario)).collect::<Vec<_>>();
    ensure!(!chosen.is_empty(), "no scenario is called so; see --list");
    fs::create_dir_all(&tour.folder)?;
    // Two runs at once would share names of networks, and each would sweep away the other.
    let lock = fs::File::create(std::env::temp_dir().join("quorate-faults.lock"))?;
    lock.try_lock().context("another run is under way on this machine")?;
    let place = place(&tour.folder);
    let cleaner = Cleaner(place.clone());
    clean_on_signals(&place)?;
    let host = world::probe(&place);
    print!("{host}");
    println!("disks are in {}; seed {}", place.display(), tour.seed);
    let (mut outcomes, mut skipped) = (Vec::new(), Vec::new());
    for scenario in chosen {
        let no_upgrade = (scenario.upgrades && tour.old_binary.is_none()).then_some("no --old-binary is given");
        if let Some(why) = host.lacks(scenario.need).or(no_upgrade) {
            println!("\n{} {}: skipped, {why}", scenario.id, scenario.title);
            skipped.push((scenario.id, why.to_owned()));
            continue;
        }
        println!("\n{} {}", scenario.id, scenario.title);
        let setting = Setting {
            binary: tour.binary.clone(),
            shim: tour.shim.clone(),
            old_binary: tour.old_binary.clone(),
            folder: tour.folder.clone(),
            world: place.clone(),
            seed: tour.seed,
            faults_for: tour.faults_for,
            is_timed: tour.is_timed,
        };
        let outcome = stage::run(scenario, &setting)?;
        keep_logs(&place, &outcome)?;
        tell(&outcome);
        outcomes.push(outcome);
    }
    drop(cleaner);
    let table = report::write(&tour.folder, &outcomes, &skipped)?;
    println!("\n{table}\n\nreports, pictures and histories are in {}", tour.folder.display());
    let failed = outcomes.iter().filter(|outcome| !outcome.findings.is_empty()).count();
    println!("{} passed, {failed} failed, {} skipped", outcomes.len() - failed, skipped.len());
    Ok(failed == 0 && !outcomes.is_empty())
}

fn is_chosen(tour: &Tour, scenario: &Scenario) -> bool {
    let named = tour.scenario.as_ref().is_none_or(|name| {
        let rest = scenario.id.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    named && (scenario.is_quick || !tour.is_quick)
}

fn place(folder: &Path) -> PathBuf {
    let df = std::process::Command::new("df").args(["-B1", "--output=avail", IN_MEMORY]).output();
    let room = df.ok().and_then(|df| String::from_utf8(df.stdout).ok()?.lines().nth(1)?.trim().parse::<u64>().ok());
    if room.is_some_and(|room| room >= IN_MEMORY_ROOM) {
        Path::new(IN_MEMORY).join("quorate-faults")
    } else {
        folder.join("world")
    }
}

/// The nodes' logs go beside the history.
fn keep_logs(place: &Path, outcome: &Outcome) -> Result<()> {
    for entry in fs::read_dir(place)?.flatten() {
        let log = entry.path().join("log");
        if log.is_file() {
            let name = format!("{}.log", entry.file_name().to_string_lossy());
            fs::copy(&log, outcome.history.join(name)).context("cannot keep a log")?;
        }
    }
    Ok(())
}

fn tell(outcome: &Outcome) {
    for (mark, gap, stall) in &outcome.faults {
        let bound = mark.bound.map_or_else(String::new, |bound| format!(" of {} ms", bound.as_millis()));
        let stall = if stall.is_zero() { String::new() } else { format!(", machine stalls {} ms", stall.as_millis()) };
        println!("   {}: no confirms for {} ms{bound}{stall}", mark.name, gap.length().as_millis());
    }
    let counts = outcome.counts;
    println!(
        "   {} confirmed, {} unknown, {} delivered, {} of them again",
        counts.confirmed, counts.unknown, counts.delivered, counts.repeated
    );
    for finding in &outcome.findings {
        println!("   not ok - {finding}");
    }
    if outcome.findings.is_empty() {
        println!("   ok - {} {}", outcome.scenario, outcome.title);
    }
}

/// Ctrl-C and SIGTERM clean up, and end the process.
fn clean_on_signals(place: &Path) -> Result<()> {
    let place = place.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let came = runtime.block_on(async {
            let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::io::Result::Ok(())
        });
        if came.is_ok() {
            world::sweep(&place);
            fs::remove_dir_all(&place).ok();
            std::process::exit(130);
        }
    })?;
    Ok(())
}
