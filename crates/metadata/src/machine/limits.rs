//! Limits on what the machine holds.

use types::ShortStr;

use super::Machine;
use crate::{ClusterLimit, LimitReached, Refusal, Resource, VhostLimit};

impl Machine {
    /// How many queues a vhost has.
    pub fn queue_count(&self, vhost: &[u8]) -> usize {
        self.vhosts.get(vhost).map_or(0, |room| room.queues.len())
    }

    /// How many more queues the limits let be declared in a vhost.
    pub fn queue_room(&self, vhost: &[u8]) -> usize {
        let of_vhost = self.vhost(vhost).and_then(|vhost| vhost.limits.in_force(VhostLimit::MaxQueues));
        let of_cluster = self.cluster_limit(ClusterLimit::Queues);
        room(of_vhost, self.queue_count(vhost)).min(room(of_cluster, self.queues.len()))
    }

    /// How many more exchanges the limits let be declared.
    pub fn exchange_room(&self) -> usize {
        // Counting takes time.
        let limit = self.cluster_limit(ClusterLimit::Exchanges);
        limit.map_or(usize::MAX, |limit| {
            let counts = self.counts();
            room(Some(limit), counts.exchanges + counts.vhosts)
        })
    }

    /// Whether one more queue may be declared in a vhost that is there.
    pub(crate) fn check_queue_limits(&self, vhost: &ShortStr, queue: &ShortStr) -> Result<(), Refusal> {
        let limits = self.vhost(vhost.as_bytes()).map(|vhost| vhost.limits).unwrap_or_default();
        let reached = match limits.in_force(VhostLimit::MaxQueues) {
            Some(limit) if is_reached(limit, self.queue_count(vhost.as_bytes())) => {
                LimitReached::QueuesInVhost { queue: queue.clone(), vhost: vhost.clone(), limit }
            }
            Some(_) | None => match self.cluster_limit(ClusterLimit::Queues) {
                Some(limit) if is_reached(limit, self.queues.len()) => {
                    LimitReached::QueuesInCluster { queue: queue.clone(), limit }
                }
                Some(_) | None => return Ok(()),
            },
        };
        Err(Refusal::LimitReached(reached))
    }

    /// Whether one more exchange may be declared.
    pub(crate) fn check_exchange_limit(&self, exchange: &Resource) -> Result<(), Refusal> {
        let Some(limit) = self.cluster_limit(ClusterLimit::Exchanges) else { return Ok(()) };
        let counts = self.counts();
        if is_reached(limit, counts.exchanges + counts.vhosts) {
            return Err(Refusal::LimitReached(LimitReached::Exchanges { exchange: exchange.clone(), limit }));
        }
        Ok(())
    }

    /// Whether one more vhost may be made.
    pub(crate) fn check_vhost_limit(&self, vhost: &ShortStr) -> Result<(), Refusal> {
        match self.cluster_limit(ClusterLimit::Vhosts) {
            Some(limit) if is_reached(limit, self.vhosts.len()) => {
                Err(Refusal::LimitReached(LimitReached::Vhosts { vhost: vhost.clone(), limit }))
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn room(limit: Option<u64>, count: usize) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit.saturating_sub(count)
}

fn is_reached(limit: u64, count: usize) -> bool {
    u64::try_from(count).is_ok_and(|count| count >= limit)
}
