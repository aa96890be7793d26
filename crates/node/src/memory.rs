//! How much memory the process uses and may use, as the operating system counts it.

use std::{fs, path::Path};

/// The unit of /proc.
const KIB: u64 = 1024;

/// Resident memory of this process. `None` where the system does not tell. Unit: bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    field_kib(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:").map(|kib| kib * KIB)
}

/// Memory that the process may use: that of the machine, or of its control group when that is less. `None` where the system
/// does not tell. Unit: bytes.
pub(crate) fn limit_bytes() -> Option<u64> {
    let machine = field_kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:").map(|kib| kib * KIB);
    machine.into_iter().chain(group_limit(Path::new("/sys/fs/cgroup"))).min()
}

/// The limit of the control group that a container sees as its root, of either version.
fn group_limit(root: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(root.join(file)).ok();
    // Without a limit, version 2 says "max" and version 1 a number greater than any memory.
    let text = read("memory.max").or_else(|| read("memory/memory.limit_in_bytes"))?;
    text.trim().parse().ok()
}

/// The value of a line such as `VmRSS:     1234 kB`.
fn field_kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_memory_and_less_than_there_is() {
        let (resident, limit) = (resident_bytes().unwrap(), limit_bytes().unwrap());
        assert!(resident > 0 && resident < limit, "{resident} of {limit}");
    }

    #[test]
    fn limits_of_both_versions_of_control_groups_are_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(group_limit(folder.path()), None);
        fs::create_dir(folder.path().join("memory")).unwrap();
        fs::write(folder.path().join("memory/memory.limit_in_bytes"), "1048576\n").unwrap();
        assert_eq!(group_limit(folder.path()), Some(1_048_576));
        fs::write(folder.path().join("memory.max"), "max\n").unwrap();
        assert_eq!(group_limit(folder.path()), None);
        fs::write(folder.path().join("memory.max"), "4096\n").unwrap();
        assert_eq!(group_limit(folder.path()), Some(4096));
    }
}
