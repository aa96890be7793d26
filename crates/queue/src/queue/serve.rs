//! Giving messages away: to the consumers in the ring, and to `basic.get`.

use types::{ConsumerKey, SessionId};

use super::{Queue, Work};
use crate::{
    Delivered, Delivery, Got,
    backlog::Piece,
    consumers::{Consumer, Consumers},
    held::{HeldMessages, Taken},
    lanes::{Portion, Side},
    live::Releaser,
    number,
};

impl Queue {
    /// Gives ready messages to consumers that may have them: one to each in turn; a consumer that is alone gets its at once.
    /// Each consumer gets at most one delivery.
    pub(crate) fn serve(&mut self, work: &mut Work<'_>) {
        let Work { id, now, deliveries, releaser, .. } = work;
        let mut served = Vec::new();
        while self.ready() > 0
            && let Some((slot, alone)) = self.consumers.next_in_ring()
        {
            let ready = self.ready();
            let consumer = self.consumers.get_mut(slot);
            let most = if alone { consumer.capacity().min(ready) } else { 1 };
            if consumer.delivery.is_none() {
                self.due_at = self.due_at.min(consumer.mark_time(*now));
            }
            let at = *consumer.delivery.get_or_insert_with(|| {
                served.push(slot);
                let (first_seq, messages) = (consumer.held.next_seq(), Vec::new());
                deliveries.push(Delivery { consumer: consumer.key, queue: *id, first_seq, messages });
                deliveries.len() - 1
            });
            self.give(slot, most, &mut deliveries[at].messages, releaser);
            self.consumers.turn_ring(slot);
        }
        for slot in served {
            self.consumers.get_mut(slot).delivery = None;
        }
    }

    /// How many messages the next consumer would be given, if there were any.
    pub(super) fn next_capacity(&self) -> u64 {
        self.consumers.next_in_ring().map_or(0, |(slot, _)| self.consumers.get(slot).capacity())
    }

    /// Gives the first ready message to a session's `basic.get`.
    pub(crate) fn get(&mut self, session: SessionId, no_ack: bool, work: &mut Work<'_>) -> Option<Got> {
        self.touch(work.now);
        let message = self.take_one()?;
        let remaining = self.ready();
        let key = ConsumerKey { session, number: ConsumerKey::GET };
        let slot = self.consumers.find(&key).unwrap_or_else(|| self.consumers.insert_next(Consumer::getter(session)));
        let held = &mut self.consumers.get_mut(slot).held;
        let seq = held.next_seq();
        work.sessions.insert(session, work.id);
        self.counters.delivered += 1;
        if no_ack {
            held.skip(1);
            work.releaser.release(message.index, 1);
            self.counters.settled += 1;
        } else {
            held.push(message);
            self.unacked += 1;
            self.unacked_bytes += u64::from(message.size);
        }
        let Taken { redelivered, delivery_count, .. } = message;
        Some(Got { seq, message: message.message(), redelivered, delivery_count, remaining })
    }

    fn take_one(&mut self) -> Option<Taken> {
        self.lanes.take(Side::Highest, 1, |portion| match portion {
            Portion::Piece(piece) => Taken::of_piece(piece, 0),
            Portion::One(message) => *message,
        })
    }

    /// Gives up to `most` messages to one consumer.
    fn give(&mut self, slot: u32, most: u64, messages: &mut Vec<Delivered>, releaser: &mut Releaser<'_>) {
        let mut gift = Gift::new(&mut self.consumers, slot, messages, releaser);
        let mut left = most;
        while left > 0 {
            let taken = self.lanes.take(Side::Highest, left, |portion| match portion {
                Portion::Piece(piece) => gift.piece(piece),
                Portion::One(message) => gift.one(message),
            });
            let Some(taken) = taken else { break };
            left -= taken;
        }
        let Gift { given, bytes, no_ack, .. } = gift;
        self.counters.delivered += given;
        if no_ack {
            self.counters.settled += given;
        } else {
            self.unacked += given;
            self.unacked_bytes += bytes;
        }
    }
}

/// Messages on their way to one consumer.
struct Gift<'a, 'b> {
    held: &'a mut HeldMessages,
    no_ack: bool,
    messages: &'a mut Vec<Delivered>,
    releaser: &'a mut Releaser<'b>,
    given: u64,
    bytes: u64,
}

impl<'a, 'b> Gift<'a, 'b> {
    fn new(
        consumers: &'a mut Consumers,
        slot: u32,
        messages: &'a mut Vec<Delivered>,
        releaser: &'a mut Releaser<'b>,
    ) -> Self {
        let consumer = consumers.get_mut(slot);
        let no_ack = consumer.options.no_ack;
        Gift { held: &mut consumer.held, no_ack, messages, releaser, given: 0, bytes: 0 }
    }

    /// A loose message.
    fn one(&mut self, message: &Taken) -> u64 {
        self.messages.push(delivered(message));
        if self.no_ack {
            self.held.skip(1);
            self.releaser.release(message.index, 1);
        } else {
            self.held.push(*message);
        }
        self.given += 1;
        self.bytes += u64::from(message.size);
        1
    }

    /// Messages from the backlog. Returns how many.
    fn piece(&mut self, piece: &Piece<'_>) -> u64 {
        self.messages.reserve(number::index(piece.count));
        let fresh = (0..piece.count).map(|at| Taken::of_piece(piece, at));
        if self.no_ack {
            self.messages.extend(fresh.map(|message| delivered(&message)));
            self.held.skip(u64::from(piece.count));
            self.releaser.release(piece.index, piece.count);
        } else {
            self.held.reserve(number::index(piece.count));
            for message in fresh {
                self.messages.push(delivered(&message));
                self.held.push(message);
            }
        }
        self.given += u64::from(piece.count);
        self.bytes += piece.bytes();
        u64::from(piece.count)
    }
}

fn delivered(message: &Taken) -> Delivered {
    Delivered { message: message.message(), redelivered: message.redelivered, delivery_count: message.delivery_count }
}
