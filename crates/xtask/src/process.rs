//! Processes that outlive the task that starts them.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

#[cfg(unix)]
use std::os::unix::process::CommandExt;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Between two looks at a process that is to end.
const POLL: Duration = Duration::from_millis(20);

/// Starts a program in a process group of its own, with its output appended to a file; returns its process id.
///
/// # Errors
/// When the file cannot be opened or the program cannot be started.
pub fn spawn_detached(program: &Path, args: &[&str], log: &Path) -> Result<u32> {
    let out = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
    #[cfg(unix)]
    command.process_group(0);
    let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(child.id())
}

/// Whether the process runs and has `marker` in its command line. (A process id is used again by the system some day.)
pub fn is_alive(pid: u32, marker: &str) -> bool {
    let folder = Path::new("/proc").join(pid.to_string());
    if Path::new("/proc/self").exists() {
        let Ok(stat) = fs::read_to_string(folder.join("stat")) else { return false };
        let Ok(line) = fs::read(folder.join("cmdline")) else { return false };
        return is_running(&stat) && is_marked(&line, marker);
    }
    let mut ps = Command::new("ps");
    ps.args(["-o", "stat=,command=", "-p", &pid.to_string()]);
    shell::capture(&mut ps).is_ok_and(|line| !line.starts_with('Z') && line.contains(marker))
}

/// Sends a signal, named as `kill -s` names it.
///
/// # Errors
/// When the process is not there or not ours.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    shell::quiet(Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()]))
}

/// Waits until the process is gone.
///
/// # Errors
/// When it is still there after `timeout`.
pub fn wait_until_gone(pid: u32, marker: &str, timeout: Duration) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while is_alive(pid, marker) {
        if Instant::now() > deadline {
            bail!("process {pid} is still there after {} s", timeout.as_secs());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Whether a command line is that of the program we mean. It is empty for a moment while a new process becomes its program.
fn is_marked(line: &[u8], marker: &str) -> bool {
    line.is_empty() || String::from_utf8_lossy(line).contains(marker)
}

/// Whether any thread of the process runs, from its line of `/proc/<pid>/stat` (the program's name in it may hold anything). The first
/// thread of a killed process is a zombie while others still end, in an fsync for one; until the last has, its sockets stay open.
fn is_running(stat: &str) -> bool {
    /// Where the number of threads stands, counted from the state.
    const THREADS: usize = 17;
    let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
    let mut fields = fields.split(' ');
    let is_zombie = fields.next() == Some("Z");
    let threads = fields.nth(THREADS - 1).and_then(|count| count.parse::<u32>().ok());
    !is_zombie || threads > Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_process_is_seen_until_it_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let pid = spawn_detached(Path::new("/bin/sleep"), &["612"], &log).unwrap();
        assert!(is_alive(pid, "612"));
        // Whatever it is still becoming, it does not become that.
        wait_until_gone(pid, "another program", Duration::from_secs(10)).unwrap();
        signal(pid, "KILL").unwrap();
        wait_until_gone(pid, "612", Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn a_process_that_is_still_becoming_its_program_counts_as_alive() {
        assert!(is_marked(b"", "quorate"));
        assert!(is_marked(b"quorate\0server\0", "quorate"));
        assert!(!is_marked(b"sleep\x00612\x00", "quorate"));
    }

    #[test]
    fn a_killed_process_is_gone_when_its_last_thread_is() {
        let stat = |state, threads| {
            format!("12 (a) b) {state} 1 12 12 0 -1 4227084 2938 0 19 2 1 3 3 1 20 0 {threads} 0 1109546 0 0")
        };
        assert!(is_running(&stat("S", 1)));
        assert!(is_running(&stat("Z", 2)));
        assert!(!is_running(&stat("Z", 1)));
        assert!(!is_running("12"));
    }
}
