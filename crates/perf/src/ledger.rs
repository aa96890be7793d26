//! The books: which messages of each publisher were confirmed, and which were delivered. They close when all that was
//! confirmed was delivered, once, in order, and nothing else.

use std::sync::OnceLock;

use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    args::{RunArgs, queue_name},
    identity::Identity,
    seq_set::{Added, SeqSet},
};

/// One publisher's page.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) published: Mutex<Published>,
    pub(crate) received: Mutex<Received>,
}

/// What a publisher sent.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// Messages sent; their sequence numbers are those below.
    pub(crate) sent: u64,
    pub(crate) confirmed: SeqSet,
}

/// What was delivered of a publisher's messages.
#[derive(Debug, Default)]
pub(crate) struct Received {
    set: SeqSet,
    duplicates: u64,
    unflagged: u64,
    out_of_order: u64,
    wild: u64,
}

/// The pages of all publishers.
#[derive(Debug)]
pub(crate) struct Book {
    /// The run whose messages are followed: ours, or when we only consume, that of the first message.
    run: OnceLock<u16>,
    ledgers: Vec<Ledger>,
    /// What has to arrive: confirmed messages, or without confirms all that were sent.
    confirms: bool,
}

/// How one queue did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct QueueReport {
    /// Its name.
    pub(crate) name: String,
    /// Messages published to it.
    pub(crate) published: u64,
    /// Of these, confirmed.
    pub(crate) confirmed: u64,
    /// Different messages delivered from it.
    pub(crate) received: u64,
    /// Messages that had to arrive and did not: confirmed ones, or without confirms published ones, or when the run only
    /// consumed, those missing below the last of their publisher.
    pub(crate) missing: u64,
    /// Repeated deliveries.
    pub(crate) duplicates: u64,
    /// Of these, deliveries that did not say `redelivered`.
    pub(crate) duplicates_unflagged: u64,
    /// First deliveries, not marked as repeated, that came to a consumer after a later message of the same publisher.
    pub(crate) out_of_order: u64,
    /// Deliveries of messages that were never published.
    pub(crate) invented: u64,
}

impl Received {
    /// Notes a delivery. `follows` says whether it came after all that the same consumer got before of that publisher.
    #[inline]
    pub(crate) fn note(&mut self, sequence: u64, redelivered: bool, follows: bool) {
        match self.set.add(sequence) {
            Added::New => self.out_of_order += u64::from(!follows && !redelivered),
            Added::Again => {
                self.duplicates += 1;
                self.unflagged += u64::from(!redelivered);
            }
            Added::TooFar => self.wild += 1,
        }
    }
}

impl Book {
    /// Books for a run of our own, or for what another run left (`run` is then `None`).
    pub(crate) fn new(run: Option<u16>, publishers: u16, confirms: bool) -> Self {
        let known = OnceLock::new();
        if let Some(run) = run {
            known.get_or_init(|| run);
        }
        Book { run: known, ledgers: (0..publishers).map(|_| Ledger::default()).collect(), confirms }
    }

    /// A publisher's page.
    pub(crate) fn ledger(&self, publisher: u16) -> &Ledger {
        &self.ledgers[usize::from(publisher)]
    }

    /// Whether a delivered message is of the run that is followed.
    #[inline]
    pub(crate) fn is_followed(&self, identity: Identity) -> bool {
        usize::from(identity.publisher) < self.ledgers.len() && *self.run.get_or_init(|| identity.run) == identity.run
    }

    /// How many messages had to arrive and have not.
    pub(crate) fn missing(&self) -> u64 {
        self.ledgers.iter().map(|ledger| ledger.missing(self.confirms)).sum()
    }

    /// The sum of each queue's publishers. `consumed` is whether the run consumes, `published` whether it published.
    pub(crate) fn by_queue(&self, args: &RunArgs) -> Vec<QueueReport> {
        let mut queues: Vec<QueueReport> = (0..args.queues)
            .map(|queue| QueueReport {
                name: queue_name(&args.queue_pattern, u64::from(queue)),
                ..QueueReport::default()
            })
            .collect();
        for (publisher, ledger) in (0..).zip(&self.ledgers) {
            let queue = usize::try_from(args.queue_of(publisher)).expect("usize has at least 32 bits");
            ledger.add_to(&mut queues[queue], args, self.confirms);
        }
        queues
    }
}

impl Ledger {
    fn missing(&self, confirms: bool) -> u64 {
        let published = self.published.lock();
        let received = self.received.lock();
        if confirms {
            published.confirmed.missing_in(&received.set)
        } else {
            SeqSet::below(published.sent).missing_in(&received.set)
        }
    }

    fn add_to(&self, queue: &mut QueueReport, args: &RunArgs, confirms: bool) {
        let missing = self.missing(confirms);
        let published = self.published.lock();
        queue.published += published.sent;
        queue.confirmed += published.confirmed.len();
        if !args.follows_messages() {
            return;
        }
        let received = self.received.lock();
        queue.received += received.set.len();
        if args.publishes() {
            queue.invented += received.set.missing_in(&SeqSet::below(published.sent)) + received.wild;
            queue.missing += if args.consumes() { missing } else { 0 };
        } else {
            queue.invented += received.wild;
            queue.missing += received.set.holes();
        }
        queue.duplicates += received.duplicates;
        queue.duplicates_unflagged += received.unflagged;
        queue.out_of_order += received.out_of_order;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunArgs,
    }

    fn args(line: &str) -> RunArgs {
        Cli::parse_from(std::iter::once("run").chain(line.split_whitespace())).run
    }

    fn identity(run: u16, publisher: u16, sequence: u64) -> Identity {
        Identity { run, publisher, sequence }
    }

    fn publish(book: &Book, publisher: u16, sent: u64, confirmed: impl IntoIterator<Item = u64>) {
        let mut published = book.ledger(publisher).published.lock();
        published.sent = sent;
        for sequence in confirmed {
            published.confirmed.add(sequence);
        }
    }

    #[test]
    fn what_was_confirmed_must_arrive() {
        let book = Book::new(Some(1), 2, true);
        publish(&book, 0, 10, 0..8);
        for sequence in [0, 1, 2, 4, 5, 6, 9] {
            book.ledger(0).received.lock().note(sequence, false, true);
        }
        assert_eq!(book.missing(), 2);
        let queues = book.by_queue(&args("--publishers 2"));
        assert_eq!(queues.len(), 1);
        assert_eq!((queues[0].published, queues[0].confirmed, queues[0].received), (10, 8, 7));
        assert_eq!((queues[0].missing, queues[0].invented), (2, 0));
    }

    #[test]
    fn repeated_disordered_and_invented_messages_are_told_apart() {
        let book = Book::new(Some(1), 1, true);
        publish(&book, 0, 5, 0..5);
        let mut received = book.ledger(0).received.lock();
        for (sequence, redelivered, follows) in [
            (0, false, true),
            (2, false, true),
            (1, false, false),
            (2, true, true),
            (0, false, false),
            (7, false, true),
        ] {
            received.note(sequence, redelivered, follows);
        }
        received.note(u64::MAX, false, true);
        drop(received);
        let queue = &book.by_queue(&args(""))[0];
        assert_eq!((queue.duplicates, queue.duplicates_unflagged, queue.out_of_order), (2, 1, 1));
        assert_eq!((queue.missing, queue.invented), (2, 2));
    }

    #[test]
    fn messages_of_other_runs_and_unknown_publishers_are_foreign() {
        let book = Book::new(Some(1), 1, true);
        assert!(book.is_followed(identity(1, 0, 0)));
        assert!(!book.is_followed(identity(2, 0, 0)));
        assert!(!book.is_followed(identity(1, 1, 0)));
    }

    #[test]
    fn a_run_that_only_consumes_follows_the_first_run_that_it_meets() {
        let book = Book::new(None, 1, true);
        for sequence in [0, 1, 3] {
            assert!(book.is_followed(identity(9, 0, sequence)));
            book.ledger(0).received.lock().note(sequence, false, true);
        }
        assert!(!book.is_followed(identity(8, 0, 0)));
        let queue = &book.by_queue(&args("--drain"))[0];
        assert_eq!((queue.received, queue.missing, queue.invented), (3, 1, 0));
    }

    #[test]
    fn without_confirms_all_that_was_sent_must_arrive() {
        let book = Book::new(Some(1), 1, false);
        publish(&book, 0, 3, []);
        assert_eq!(book.missing(), 3);
    }
}
