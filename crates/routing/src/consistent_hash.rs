//! Consistent hash exchanges: each key belongs to one destination, and destinations have weights.
//!
//! RabbitMQ writes a list with as many buckets as the weights add up to. Here the destination is found by weighted rendezvous
//! hashing (each destination draws an exponentially distributed number from the hash of itself and the key, divides it by its
//! weight, and the least wins). So
//!
//! - memory is one entry a destination, whatever the weights are: a weight of 10⁸ costs what a weight of 1 does;
//! - destinations get keys in the proportion of their weights, and a change moves only keys from or to the destination that
//!   changed, where RabbitMQ renumbers the buckets behind a removed one;
//! - the order of the bindings does not matter. It must not: a node that has seen the bindings come and go and one that was
//!   started later have to agree on where a key belongs.
//!
//! The price is time in the number of destinations, paid once per key by publishers that remember their routes.

use types::ShortStr;

use crate::{
    hash::{StableHash, exponential, mix},
    targets::Target,
};

/// The binding key of a consistent hash exchange is no weight. The texts are RabbitMQ's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// It is not a number.
    #[error("The binding key must be an integer: <<\"{}\">>", .0.to_string_lossy())]
    NotInteger(ShortStr),
    /// It is zero or below.
    #[error("The binding key must be greater than 0")]
    TooSmall,
}

/// The weight that a binding key stands for. RabbitMQ knows no greatest number, so what is beyond 64 bits is the greatest
/// number that there is here.
///
/// # Errors
/// When it is no decimal number, or none above zero.
pub fn check_weight(key: &ShortStr) -> Result<u64, WeightError> {
    let (is_negative, digits) = match key.as_bytes() {
        [b'+', digits @ ..] => (false, digits),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(WeightError::NotInteger(key.compact()));
    }
    let weight = digits.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    if is_negative || weight == 0 { Err(WeightError::TooSmall) } else { Ok(weight) }
}

/// Sorted by destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsistentHash(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    target: Target,
    hash: u64,
    /// Of all its bindings, sorted. The greatest counts: RabbitMQ accepts further bindings of a destination but takes only one
    /// weight, that of the first. Which one came first cannot be told from the bindings that are there. (There, taking any of
    /// them away ends the routing to the destination; here it goes on with those that are left.)
    weights: Vec<u64>,
}

impl ConsistentHash {
    pub(crate) fn bind(&mut self, key: &ShortStr, target: &Target) {
        let weight = weight(key);
        match self.place(target) {
            Ok(at) => {
                let weights = &mut self.0[at].weights;
                let place = weights.partition_point(|there| *there <= weight);
                weights.insert(place, weight);
            }
            Err(at) => {
                self.0.insert(at, Entry { target: target.clone(), hash: hash(target), weights: vec![weight] });
            }
        }
    }

    pub(crate) fn unbind(&mut self, key: &ShortStr, target: &Target) -> bool {
        let Ok(at) = self.place(target) else { return false };
        let weights = &mut self.0[at].weights;
        let Ok(place) = weights.binary_search(&weight(key)) else { return false };
        weights.remove(place);
        if weights.is_empty() {
            self.0.remove(at);
        }
        true
    }

    /// Removes all bindings that lead there.
    pub(crate) fn forget(&mut self, target: &Target) {
        self.0.retain(|entry| entry.target != *target);
    }

    /// Where the bindings lead, one by one.
    pub(crate) fn targets(&self) -> impl Iterator<Item = Target> {
        self.0.iter().flat_map(|entry| entry.weights.iter().map(|_| entry.target.clone()))
    }

    /// Where the key with that hash belongs. The hash is asked for only when there is a choice.
    pub(crate) fn find(&self, key_hash: impl FnOnce() -> u64) -> Option<&Target> {
        let [first, second @ ..] = &self.0[..] else { return None };
        if second.is_empty() {
            return Some(&first.target);
        }
        let key_hash = key_hash();
        let (mut best, mut most) = (first, first.score(key_hash));
        for entry in second {
            let score = entry.score(key_hash);
            if score > most {
                (best, most) = (entry, score);
            }
        }
        Some(&best.target)
    }

    fn place(&self, target: &Target) -> Result<usize, usize> {
        self.0.binary_search_by(|entry| entry.target.cmp(target))
    }
}

impl Entry {
    fn score(&self, key_hash: u64) -> f64 {
        self.weight() / exponential(mix(self.hash ^ key_hash))
    }

    #[expect(clippy::as_conversions, reason = "weights beyond 53 bits need not be exact")]
    fn weight(&self) -> f64 {
        self.weights.last().map_or(0.0, |weight| *weight as f64)
    }
}

/// Whoever binds has checked the key; one that was not checked counts as little as possible.
fn weight(key: &ShortStr) -> u64 {
    check_weight(key).unwrap_or(1)
}

/// A queue keeps its keys when it moves to another group.
fn hash(target: &Target) -> u64 {
    match target {
        Target::Queue(queue) => StableHash::new().bytes(b"q").bytes(&queue.queue.0.to_be_bytes()).finish(),
        Target::Exchange(name) => StableHash::new().bytes(b"x").bytes(name.as_bytes()).finish(),
    }
}

#[cfg(test)]
mod tests;
