//! When a group's state is written down, and how much of its log is let go of.
//!
//! Three things want it otherwise: a restart reads the log from the last checkpoint on, so that must not be long; a follower that is
//! behind is sent the log from where it is, or else a snapshot; and what is kept is on the disk.

use std::time::Duration;

use crate::log_size::Size;

/// When a replica takes a checkpoint, and how much of its log it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// So many entries since the last checkpoint make the next one due.
    pub entries: u64,
    /// So many bytes, message bodies included, do: a restart reads them again. Not less than [`STATE_PARTS`] times the state itself.
    pub bytes: u64,
    /// Such an age does, when anything was applied since. Also how old the last purge may be when there is anything to purge.
    pub age: Duration,
    /// So many entries are kept at most for a slow but live follower, before it gets a snapshot instead.
    pub lag_entries_max: u64,
    /// The same in bytes of commands.
    pub lag_bytes_max: u64,
}

/// A checkpoint writes the whole state, so it waits until a multiple of it was written anyway.
const STATE_PARTS: u64 = 4;
/// A follower, who does not know who is behind, keeps a part of what a leader would.
const FOLLOWER_PARTS: u64 = 8;

impl Default for Checkpoints {
    fn default() -> Self {
        Checkpoints {
            entries: 50_000,
            bytes: 64 << 20,
            age: Duration::from_secs(300),
            lag_entries_max: 500_000,
            lag_bytes_max: 256 << 20,
        }
    }
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    pub applied: u64,
    /// What the last checkpoint that was asked for covers.
    pub checkpoint: u64,
    /// What the last checkpoint that is there covers.
    pub snapshot: u64,
    pub purged: u64,
    /// How far the slowest follower is; known to leaders.
    pub slowest: Option<u64>,
    /// Size of the last checkpoint. Unit: bytes.
    pub state_bytes: u64,
    /// The last checkpoint's age.
    pub age: Duration,
    /// The last purge's age.
    pub purge_age: Duration,
}

impl Checkpoints {
    /// Whether a checkpoint is due; `since`: the log after the last one.
    pub(crate) fn is_checkpoint_due(&self, at: &Standing, since: Size) -> bool {
        let entries = at.applied.saturating_sub(at.checkpoint);
        let bytes = self.bytes.max(at.state_bytes.saturating_mul(STATE_PARTS));
        entries > 0 && (entries >= self.entries || since.all >= bytes || at.age > self.age)
    }

    /// Up to where the log is to be purged now; `within` gives the lowest index after which commands have no more than so many bytes.
    pub(crate) fn purge(&self, at: &Standing, after: impl Fn(u64) -> Size, within: impl Fn(u64) -> u64) -> Option<u64> {
        let keep = match at.slowest {
            Some(slowest) => {
                slowest.max(at.applied.saturating_sub(self.lag_entries_max)).max(within(self.lag_bytes_max))
            }
            // It may lead next.
            None => {
                let entries = at.snapshot.saturating_sub(self.entries);
                entries.max(within(self.lag_bytes_max / FOLLOWER_PARTS))
            }
        };
        let up_to = at.snapshot.min(keep);
        if up_to <= at.purged {
            return None;
        }
        let entries = up_to - at.purged;
        let heads = after(at.purged).heads.saturating_sub(after(up_to).heads);
        // Few and large: each leaves a tombstone that reads have to pass until it is compacted away.
        let is_worth_it = entries >= self.entries / 2 || heads >= self.bytes / 4;
        (is_worth_it || at.purge_age > self.age).then_some(up_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Checkpoints = Checkpoints {
        entries: 1000,
        bytes: 1 << 20,
        age: Duration::from_secs(10),
        lag_entries_max: 5000,
        lag_bytes_max: 1 << 20,
    };
    const OLD: Duration = Duration::from_secs(11);

    fn size(bytes: u64) -> Size {
        Size { heads: bytes / 10, all: bytes }
    }

    fn purge(at: Standing, heads_per_entry: u64) -> Option<u64> {
        let after = |index: u64| Size { heads: at.applied.saturating_sub(index) * heads_per_entry, all: 0 };
        let within = |bytes: u64| at.applied.saturating_sub(bytes / heads_per_entry);
        LIMITS.purge(&at, after, within)
    }

    #[test]
    fn a_checkpoint_is_due_for_entries_for_bytes_or_for_age() {
        let at = Standing { applied: 500, ..Standing::default() };
        assert!(!LIMITS.is_checkpoint_due(&at, size(1000)));
        assert!(LIMITS.is_checkpoint_due(&Standing { applied: 1000, ..at }, size(0)));
        assert!(LIMITS.is_checkpoint_due(&at, size(1 << 20)));
        assert!(LIMITS.is_checkpoint_due(&Standing { age: OLD, ..at }, size(0)));
        let idle = Standing { checkpoint: 500, age: OLD, ..at };
        assert!(!LIMITS.is_checkpoint_due(&idle, size(2 << 20)), "nothing new is to be written down");
        let large = Standing { state_bytes: 1 << 20, ..at };
        assert!(!LIMITS.is_checkpoint_due(&large, size(2 << 20)), "a large state is not written all the time");
    }

    #[test]
    fn a_leader_keeps_what_a_live_follower_needs_but_not_for_ever() {
        let at = Standing { applied: 4000, snapshot: 4000, slowest: Some(1000), ..Standing::default() };
        assert_eq!(purge(at, 10), Some(1000));
        assert_eq!(purge(Standing { slowest: Some(0), ..at }, 10), None);
        assert_eq!(purge(Standing { applied: 9000, snapshot: 8900, slowest: Some(0), ..at }, 10), Some(4000));
        let heavy = purge(Standing { slowest: Some(0), ..at }, 1000);
        assert_eq!(heavy, Some(4000 - (1 << 20) / 1000), "commands are large");
    }

    #[test]
    fn nothing_is_purged_that_no_checkpoint_covers() {
        let at = Standing { applied: 9000, snapshot: 2000, slowest: Some(9000), ..Standing::default() };
        assert_eq!(purge(at, 10), Some(2000));
        assert_eq!(purge(Standing { snapshot: 0, ..at }, 10), None);
    }

    #[test]
    fn a_follower_keeps_a_tail() {
        let at = Standing { applied: 9000, snapshot: 9000, purged: 2000, ..Standing::default() };
        assert_eq!(purge(at, 10), Some(8000));
        assert_eq!(purge(at, 1000), Some(9000 - (1 << 17) / 1000));
    }

    #[test]
    fn little_is_purged_after_a_while() {
        let at = Standing { applied: 9000, snapshot: 9000, purged: 8990, slowest: Some(9000), ..Standing::default() };
        assert_eq!(purge(at, 10), None);
        assert_eq!(purge(Standing { purge_age: OLD, ..at }, 10), Some(9000));
    }
}
