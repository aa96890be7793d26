//! A leader that no majority answers is silent, so that others elect one that is heard (Raft's dissertation, §6.2).
//!
//! What it sends may arrive for seconds while nothing comes back: a link that is cut in one direction, or sockets full of heartbeats.
//! Followers would wait for it all that time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openraft::{Instant as _, async_runtime::WatchReceiver};
use tokio::time::Instant;
use types::GroupId;

use super::Inner;
use crate::{group::Group, machine::Machine};

/// How often it is looked.
const ROUND: Duration = Duration::from_millis(100);
/// Others have stood for election by then, if there are any; then it is tried again.
const SILENCE: Duration = Duration::from_secs(3);

/// What a leader hears of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is answered, or asks.
    Heard {
        /// It leads in this term.
        term: u64,
        /// From then on it should have been answered.
        since: Instant,
    },
    /// It is silent.
    Silent {
        /// Since when.
        since: Instant,
    },
}

impl Inner {
    /// Looks after the groups that this node leads, until the node stops.
    pub(super) async fn watch_quorums(self: Arc<Self>) {
        let patience = self.config.timers.election_max;
        let mut states = BTreeMap::new();
        loop {
            tokio::time::sleep(ROUND).await;
            if let Some(meta) = self.meta_group.get() {
                watch(meta, &mut states, patience);
            }
            let shards: Vec<_> = self.shards.read().values().cloned().collect();
            for group in shards {
                watch(&group, &mut states, patience);
            }
        }
    }
}

fn watch<M: Machine>(group: &Group<M>, states: &mut BTreeMap<GroupId, State>, patience: Duration) {
    let leads = group.quorum_acked();
    let before = states.get(&group.id).copied();
    let now = next(before, leads, Instant::now(), patience);
    match (before, now) {
        (Some(State::Heard { .. }), Some(State::Silent { .. })) => {
            tracing::warn!(group_id = %group.id, "no majority answers this leader, it is silent so that others can stand for election");
            group.raft.runtime_config().heartbeat(false);
        }
        (Some(State::Silent { .. }), Some(State::Heard { .. }) | None) if !group.health.is_stalled() => {
            group.raft.runtime_config().heartbeat(true);
        }
        _ => {}
    }
    match now {
        Some(state) => states.insert(group.id, state),
        None => states.remove(&group.id),
    };
}

/// What comes of a state. `leads`: in which term this node leads others, and when a majority's last answer was asked for.
fn next(
    before: Option<State>,
    leads: Option<(u64, Option<Instant>)>,
    now: Instant,
    patience: Duration,
) -> Option<State> {
    let (term, acked) = leads?;
    let since = match before {
        // Answers may have been on their way: it is heard again at once.
        Some(State::Silent { since }) if acked.is_none_or(|acked| acked < since) && now - since < SILENCE => {
            return before;
        }
        Some(State::Heard { term: known, since }) if known == term => since,
        _ => now,
    };
    let since = acked.map_or(since, |acked| acked.max(since));
    Some(if now.saturating_duration_since(since) > patience {
        State::Silent { since: now }
    } else {
        State::Heard { term, since }
    })
}

impl<M: Machine> Group<M> {
    /// In which term this node leads other voters, and when it asked for what a majority has answered last.
    fn quorum_acked(&self) -> Option<(u64, Option<Instant>)> {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let has_others = now.membership_config.membership().voter_ids().nth(1).is_some();
        let leads = now.state.is_leader() && has_others;
        let acked = now.last_quorum_acked.and_then(|acked| Instant::now().checked_sub(acked.elapsed()));
        leads.then_some((now.current_term, acked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(500);

    fn heard(term: u64, since: Instant) -> Option<State> {
        Some(State::Heard { term, since })
    }

    #[test]
    fn a_leader_that_is_answered_goes_on() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let first = next(None, Some((3, None)), begin, PATIENCE);
        assert_eq!(first, heard(3, begin));
        let then = next(first, Some((3, Some(at(400)))), at(600), PATIENCE);
        assert_eq!(then, heard(3, at(400)));
        assert_eq!(next(then, None, at(700), PATIENCE), None);
    }

    #[test]
    fn a_leader_that_no_majority_answers_is_silent_until_it_is_answered_or_others_had_their_chance() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let leads = |acked| Some((3, acked));
        let silent = next(heard(3, begin), leads(Some(begin)), at(501), PATIENCE);
        assert_eq!(silent, Some(State::Silent { since: at(501) }));
        assert_eq!(next(silent, leads(Some(begin)), at(900), PATIENCE), silent);
        assert_eq!(next(silent, leads(Some(at(600))), at(900), PATIENCE), heard(3, at(900)));
        let again = next(silent, leads(Some(begin)), at(501) + SILENCE, PATIENCE);
        assert_eq!(again, heard(3, at(501) + SILENCE), "it asks once more, and waits for answers");
        assert_eq!(next(silent, None, at(900), PATIENCE), None, "another leads");
    }

    #[test]
    fn a_new_term_begins_with_patience() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(9);
        assert_eq!(next(heard(3, begin), Some((4, None)), later, PATIENCE), heard(4, later));
    }
}
