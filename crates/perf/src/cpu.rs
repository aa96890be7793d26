//! CPU time and memory of processes on this host, as Linux shows them under `/proc`.

use std::fs;

use serde::Serialize;

use crate::units::float;

/// Length of a clock tick in `/proc/PID/stat`: Linux shows hundredths of a second on every architecture.
const TICK_SECONDS: f64 = 0.01;

/// What processes used while a run was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct CpuReport {
    /// CPU time of all threads. Unit: seconds.
    pub(crate) cpu_seconds: f64,
    /// How many cores were busy on average.
    pub(crate) cores: f64,
    /// CPU time per message that was confirmed or, without confirms, delivered or sent. Unit: microseconds.
    pub(crate) us_per_message: f64,
    /// Resident memory at the end. Unit: bytes.
    pub(crate) rss_bytes: u64,
}

/// CPU time that a process has used so far, in seconds; `None` when there is no such process.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    parse_cpu_seconds(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Resident memory of a process; `None` when there is no such process. Unit: bytes.
pub(crate) fn rss_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The sum over several processes; those that have ended count nothing.
pub(crate) fn cpu_seconds_of(pids: &[u32]) -> f64 {
    pids.iter().filter_map(|pid| cpu_seconds(*pid)).sum()
}

impl CpuReport {
    /// What was used of `cpu_seconds` within `seconds` for so many messages.
    pub(crate) fn new(cpu_seconds: f64, seconds: f64, messages: u64, pids: &[u32]) -> Self {
        CpuReport {
            cpu_seconds,
            cores: if seconds > 0.0 { cpu_seconds / seconds } else { 0.0 },
            us_per_message: if messages > 0 { cpu_seconds * 1e6 / float(messages) } else { 0.0 },
            rss_bytes: pids.iter().filter_map(|pid| rss_bytes(*pid)).sum(),
        }
    }
}

/// User and system time are the 14th and 15th field; the second, the program's name, may hold spaces and parentheses.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(float(ticks()? + ticks()?) * TICK_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1";
        assert_eq!(parse_cpu_seconds(stat), Some(2.0));
        assert_eq!(parse_cpu_seconds("42 (x) S 1"), None);
    }

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = std::process::id();
        assert!(cpu_seconds(pid).is_some());
        assert!(rss_bytes(pid).unwrap() > 0);
        assert_eq!(cpu_seconds(u32::MAX), None);
    }
}
