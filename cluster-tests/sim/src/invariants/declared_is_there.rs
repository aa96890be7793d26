//! `queue.declare-ok` and `queue.delete-ok` mean committed: afterwards every node knows the queue, or does not (I10; DESIGN §1.4).

use std::collections::BTreeMap;

/// What the only client that declares and deletes a queue of that name was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// `queue.declare-ok`.
    There,
    /// `queue.delete-ok`.
    Gone,
    /// Nothing yet since it has asked for something.
    Nothing,
}

pub(crate) fn check(told: &BTreeMap<String, Told>, has: impl Fn(&str) -> bool) -> Vec<String> {
    let wrong = |(name, told): (&String, &Told)| match (told, has(name)) {
        (Told::There, false) => Some(format!("queue {name} was declared and is not there")),
        (Told::Gone, true) => Some(format!("queue {name} was deleted and is there")),
        _ => None,
    };
    told.iter().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_last_counts() {
        let found = |told, has| check(&BTreeMap::from([("q".to_owned(), told)]), |_| has).len();
        assert_eq!([found(Told::There, true), found(Told::Gone, false)], [0, 0]);
        assert_eq!([found(Told::There, false), found(Told::Gone, true)], [1, 1]);
        assert_eq!([found(Told::Nothing, false), found(Told::Nothing, true)], [0, 0]);
    }
}
