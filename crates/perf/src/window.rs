//! The publishes of one channel that are not confirmed yet, by delivery tag.

use std::collections::VecDeque;

/// In place of a start time: settled out of order, waits for those before it.
const SETTLED: u64 = u64::MAX;

/// One publish without its confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outstanding {
    /// When it was sent, or should have been.
    pub(crate) start_ns: u64,
    /// Its sequence number in the publisher's count.
    pub(crate) sequence: u64,
}

/// The broker confirmed a delivery tag that was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker confirmed delivery tag {tag}, but the last publish has {last}")]
pub(crate) struct UnknownTag {
    tag: u64,
    last: u64,
}

/// All publishes of one channel without their confirm.
#[derive(Debug)]
pub(crate) struct Window {
    entries: VecDeque<Outstanding>,
    /// The delivery tag of the first entry.
    first_tag: u64,
    unsettled: usize,
}

impl Window {
    /// The window of a channel in confirm mode: the first publish has delivery tag 1.
    pub(crate) fn new() -> Self {
        Window { entries: VecDeque::new(), first_tag: 1, unsettled: 0 }
    }

    /// Notes a publish.
    pub(crate) fn push(&mut self, publish: Outstanding) {
        debug_assert!(publish.start_ns != SETTLED, "no clock shows 584 years");
        self.entries.push_back(publish);
        self.unsettled += 1;
    }

    /// How many publishes are not confirmed.
    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// The oldest start time of a publish that is not confirmed.
    pub(crate) fn oldest_start(&self) -> Option<u64> {
        self.entries.front().map(|publish| publish.start_ns)
    }

    /// Takes a confirm and hands over each publish that it settles. A tag that is settled already is ignored, as is tag zero
    /// with `multiple` when nothing is outstanding.
    ///
    /// # Errors
    /// When the tag was never published.
    pub(crate) fn settle(
        &mut self,
        tag: u64,
        multiple: bool,
        mut settled: impl FnMut(Outstanding),
    ) -> Result<(), UnknownTag> {
        let last = self.first_tag + crate::units::count(self.entries.len()) - 1;
        if tag > last {
            return Err(UnknownTag { tag, last });
        }
        // Tag zero with `multiple` means all (AMQP 0-9-1 §1.8.3.13).
        let tag = if tag == 0 && multiple { last } else { tag };
        if multiple {
            while self.first_tag <= tag
                && let Some(publish) = self.entries.pop_front()
            {
                self.first_tag += 1;
                self.count_settled(publish, &mut settled);
            }
        } else if let Some(at) = tag.checked_sub(self.first_tag) {
            let entry = &mut self.entries[crate::units::index(at)];
            let publish = *entry;
            entry.start_ns = SETTLED;
            self.count_settled(publish, &mut settled);
        }
        while self.entries.front().is_some_and(|publish| publish.start_ns == SETTLED) {
            self.entries.pop_front();
            self.first_tag += 1;
        }
        Ok(())
    }

    /// Empties the window; what was not confirmed, in order.
    pub(crate) fn take_unsettled(&mut self) -> impl Iterator<Item = Outstanding> {
        let entries = std::mem::take(self).entries;
        entries.into_iter().filter(|publish| publish.start_ns != SETTLED)
    }

    fn count_settled(&mut self, publish: Outstanding, settled: &mut impl FnMut(Outstanding)) {
        if publish.start_ns != SETTLED {
            self.unsettled -= 1;
            settled(publish);
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(publishes: u64) -> Window {
        let mut window = Window::new();
        for sequence in 0..publishes {
            window.push(Outstanding { start_ns: 100 + sequence, sequence });
        }
        window
    }

    fn settle(window: &mut Window, tag: u64, multiple: bool) -> Vec<u64> {
        let mut settled = Vec::new();
        window.settle(tag, multiple, |publish| settled.push(publish.sequence)).unwrap();
        settled
    }

    #[test]
    fn multiple_settles_all_up_to_the_tag_once() {
        let mut window = window(5);
        assert_eq!(settle(&mut window, 2, true), [0, 1]);
        assert_eq!(settle(&mut window, 2, true), [0u64; 0]);
        assert_eq!(settle(&mut window, 4, true), [2, 3]);
        assert_eq!(window.unsettled(), 1);
    }

    #[test]
    fn confirms_may_come_in_any_order() {
        let mut window = window(4);
        assert_eq!(settle(&mut window, 3, false), [2]);
        assert_eq!(window.oldest_start(), Some(100));
        assert_eq!(settle(&mut window, 1, false), [0]);
        assert_eq!(settle(&mut window, 1, false), [0u64; 0]);
        assert_eq!(window.oldest_start(), Some(101));
        assert_eq!(settle(&mut window, 4, true), [1, 3]);
        assert_eq!((window.unsettled(), window.oldest_start()), (0, None));
    }

    #[test]
    fn tag_zero_with_multiple_means_all() {
        assert_eq!(settle(&mut window(3), 0, true), [0, 1, 2]);
        assert_eq!(settle(&mut window(0), 0, true), [0u64; 0]);
    }

    #[test]
    fn a_tag_that_was_never_published_is_an_error() {
        let mut window = window(2);
        let error = window.settle(3, false, drop).unwrap_err();
        assert_eq!(error, UnknownTag { tag: 3, last: 2 });
    }

    #[test]
    fn what_is_not_confirmed_can_be_taken_for_another_connection() {
        let mut window = window(4);
        settle(&mut window, 2, false);
        let left: Vec<u64> = window.take_unsettled().map(|publish| publish.sequence).collect();
        assert_eq!(left, [0, 2, 3]);
        window.push(Outstanding { start_ns: 1, sequence: 9 });
        assert_eq!(settle(&mut window, 1, false), [9], "tags start again from 1");
    }
}
