//! The ready messages of a queue: a lane for each priority, each in the order of position.
//!
//! A lane is a backlog and, apart from it, loose messages: those that were taken and came back, and those whose time of expiry
//! is before that of messages ahead of them. The lane of the usual priority lies in the queue itself.

mod peek;

pub use peek::PEEKED_MAX;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use types::Timestamp;

use crate::{
    backlog::{Backlog, Piece},
    held::Taken,
    machine::NEVER,
    number,
};

/// Loose messages that expire, by time and position, with their priority.
type Expiring = BTreeSet<(Timestamp, u64, u8)>;

/// All ready messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    /// The lane of the first message that came while there were no others; may be empty.
    main: Lane,
    /// What a usual queue has not. `None` instead of nothing.
    rest: Option<Box<Rest>>,
    messages: u64,
    bytes: u64,
}

/// What a usual queue has not.
#[derive(Clone, Debug, Default)]
struct Rest {
    /// Other lanes, none of them empty.
    more: BTreeMap<u8, Lane>,
    expiring: Expiring,
}

static NO_LANES: BTreeMap<u8, Lane> = BTreeMap::new();

/// Messages of one priority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    /// Never taken.
    pub(crate) backlog: Backlog,
    /// By position.
    pub(crate) loose: BTreeMap<u64, Taken>,
}

/// Messages that leave at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Portion<'a> {
    /// From the backlog.
    Piece(&'a Piece<'a>),
    /// A loose one.
    One(&'a Taken),
}

/// Which lane to take from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// That of the highest priority.
    Highest,
    /// That of the lowest.
    Lowest,
}

impl Portion<'_> {
    /// How many messages.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Portion::Piece(piece) => u64::from(piece.count),
            Portion::One(_) => 1,
        }
    }

    /// The log entry.
    pub(crate) fn index(&self) -> u64 {
        match self {
            Portion::Piece(piece) => piece.index,
            Portion::One(message) => message.index,
        }
    }

    /// How many, as references to the entry.
    pub(crate) fn references(&self) -> u32 {
        match self {
            Portion::Piece(piece) => piece.count,
            Portion::One(_) => 1,
        }
    }
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.backlog.messages() == 0 && self.loose.is_empty()
    }

    /// Takes messages that come one after another, in the order of position.
    #[inline]
    fn take<R>(&mut self, most: u64, on_portion: impl FnOnce(Portion<'_>) -> R) -> Option<R> {
        let mut most = most;
        if let Some((&loose_at, _)) = self.loose.first_key_value() {
            match self.backlog.head() {
                Some((head, _)) if head < loose_at => most = most.min(loose_at - head),
                Some(_) | None => {
                    let (_, message) = self.loose.pop_first()?;
                    return Some(on_portion(Portion::One(&message)));
                }
            }
        }
        self.backlog.take(most, |piece| on_portion(Portion::Piece(piece)))
    }
}

impl Lanes {
    /// How many messages.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Sum of their sizes. Unit: bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends messages, whose positions are behind all others.
    pub(crate) fn push(&mut self, piece: Piece<'_>) {
        let lane = lane_mut(&mut self.main, &mut self.rest, self.messages == 0, piece.priority);
        self.messages += u64::from(piece.count);
        if lane.backlog.accepts(piece.expires_at) {
            let before = lane.backlog.bytes();
            lane.backlog.push(piece);
            self.bytes += lane.backlog.bytes() - before;
            return;
        }
        self.bytes += piece.bytes();
        let messages = (0..piece.count).map(|at| Taken::of_piece(&piece, at));
        lane.loose.extend(messages.clone().map(|message| (message.position, message)));
        let rest = self.rest.get_or_insert_default();
        rest.expiring.extend(messages.map(|message| (message.expires_at, message.position, message.priority)));
    }

    /// Whether [`Lanes::push`] would put messages into a backlog.
    pub(crate) fn accepts(&self, expires_at: Timestamp, priority: u8) -> bool {
        self.iter().all(|lane| lane.backlog.priority() != priority || lane.backlog.accepts(expires_at))
    }

    /// Puts a message at its position. False, when that is taken.
    pub(crate) fn insert(&mut self, message: Taken) -> bool {
        if message.expires_at != NEVER {
            let rest = self.rest.get_or_insert_default();
            rest.expiring.insert((message.expires_at, message.position, message.priority));
        }
        let lane = lane_mut(&mut self.main, &mut self.rest, self.messages == 0, message.priority);
        self.messages += 1;
        self.bytes += u64::from(message.size);
        lane.loose.insert(message.position, message).is_none()
    }

    /// Takes messages from one side that come one after another, at most so many; `None` when there are none.
    #[inline]
    pub(crate) fn take<R>(&mut self, side: Side, most: u64, on_portion: impl FnOnce(Portion<'_>) -> R) -> Option<R> {
        if self.messages == 0 {
            return None;
        }
        let (messages, bytes) = (&mut self.messages, &mut self.bytes);
        let (lane, expiring) = match &mut self.rest {
            None => (&mut self.main, None),
            Some(rest) => (outermost(&mut self.main, &mut rest.more, side), Some(&mut rest.expiring)),
        };
        let lane_priority = lane.backlog.priority();
        // The backlog sums up what it gives; once is enough.
        let before = (lane.backlog.messages(), lane.backlog.bytes());
        let result = lane.take(most, |portion| {
            if let Portion::One(message) = portion {
                *messages -= 1;
                *bytes -= u64::from(message.size);
                if let Some(expiring) = expiring {
                    forget_expiry(expiring, &portion);
                }
            }
            on_portion(portion)
        });
        *messages -= before.0 - lane.backlog.messages();
        *bytes -= before.1 - lane.backlog.bytes();
        if self.rest.is_some() {
            self.tidy(lane_priority);
        }
        result
    }

    /// When the first message's time is over.
    pub(crate) fn next_expiry(&self) -> Timestamp {
        let heads = self.iter().filter_map(|lane| lane.backlog.head()).map(|(_, expires_at)| expires_at);
        heads.chain(self.first_loose().map(|(expires_at, ..)| expires_at)).min().unwrap_or(NEVER)
    }

    /// Takes messages whose time is over, in the order of that time and of position; `None` when there are none.
    pub(crate) fn take_expired<R>(
        &mut self,
        now: Timestamp,
        most: u64,
        on_portion: impl FnOnce(Portion<'_>) -> R,
    ) -> Option<R> {
        let heads = self.iter().filter_map(|lane| {
            let (position, expires_at) = lane.backlog.head()?;
            Some((expires_at, position, lane.backlog.priority(), false))
        });
        let loose = self.first_loose().map(|(expires_at, position, priority)| (expires_at, position, priority, true));
        let (expires_at, position, priority, is_loose) = heads.chain(loose).min()?;
        if expires_at > now || expires_at == NEVER {
            return None;
        }
        let lane = lane_mut(&mut self.main, &mut self.rest, false, priority);
        let result = if is_loose {
            let message = lane.loose.remove(&position).expect("loose messages that expire are listed");
            self.messages -= 1;
            self.bytes -= u64::from(message.size);
            if let Some(rest) = &mut self.rest {
                forget_expiry(&mut rest.expiring, &Portion::One(&message));
            }
            Some(on_portion(Portion::One(&message)))
        } else {
            let (messages, bytes) = (&mut self.messages, &mut self.bytes);
            lane.backlog.take(most, |piece| {
                *messages -= u64::from(piece.count);
                *bytes -= piece.bytes();
                on_portion(Portion::Piece(piece))
            })
        };
        self.tidy(priority);
        result
    }

    /// Drops all messages after telling of each entry that they refer to.
    pub(crate) fn clear(&mut self, on_reference: impl FnMut(u64, u32)) {
        self.for_each_reference(on_reference);
        *self = Lanes::default();
    }

    /// Tells of all references to entries.
    pub(crate) fn for_each_reference(&self, mut on_reference: impl FnMut(u64, u32)) {
        for lane in self.iter() {
            lane.backlog.for_each_run(|piece| on_reference(piece.index, piece.count));
            lane.loose.values().for_each(|message| on_reference(message.index, 1));
        }
    }

    /// All lanes with messages, by descending priority.
    pub(crate) fn descending(&self) -> impl Iterator<Item = &Lane> {
        self.iter().filter(|lane| !lane.is_empty())
    }

    /// How many messages are not loose.
    pub(crate) fn backlog_messages(&self) -> u64 {
        self.iter().map(|lane| lane.backlog.messages()).sum()
    }

    /// Moves the backlogs to later positions, when a queue is restored from a snapshot that does not tell positions.
    pub(crate) fn shift_backlogs(&mut self, by: u64) {
        assert!(self.more().is_empty(), "such a snapshot does not tell priorities either");
        self.main.backlog.shift(by);
    }

    /// What does not hold, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (mut messages, mut bytes) = (0, 0_u64);
        let mut expiring = BTreeSet::new();
        for lane in self.iter() {
            lane.backlog.check()?;
            messages += lane.backlog.messages() + number::count(lane.loose.len());
            let loose: u64 = lane.loose.values().map(|message| u64::from(message.size)).sum();
            bytes = bytes.saturating_add(lane.backlog.bytes()).saturating_add(loose);
            for (position, message) in &lane.loose {
                if *position != message.position || message.priority != lane.backlog.priority() {
                    return Err("a loose message is at another's place".to_owned());
                }
                if message.expires_at != NEVER {
                    expiring.insert((message.expires_at, *position, message.priority));
                }
            }
        }
        if (messages, bytes) != (self.messages, self.bytes) {
            return Err(format!("{} messages are counted as ready, {messages} are", self.messages));
        }
        if self.rest.as_ref().map_or(!expiring.is_empty(), |rest| rest.expiring != expiring) {
            return Err("loose messages that expire are not those that are listed".to_owned());
        }
        let more = self.more().iter();
        if more.clone().any(|(priority, lane)| lane.is_empty() || lane.backlog.priority() != *priority)
            || more.clone().any(|(priority, _)| *priority == self.main.backlog.priority())
        {
            return Err("a lane is empty, or of another priority".to_owned());
        }
        Ok(())
    }

    /// All lanes, by descending priority: never in an order that tells which one is the main lane.
    fn iter(&self) -> impl Iterator<Item = &Lane> {
        let main = self.main.backlog.priority();
        let above = self.more().range((Bound::Excluded(main), Bound::Unbounded)).rev();
        let below = self.more().range(..main).rev();
        let lane = |(_, lane): (_, _)| lane;
        above.map(lane).chain(std::iter::once(&self.main)).chain(below.map(lane))
    }

    fn first_loose(&self) -> Option<(Timestamp, u64, u8)> {
        self.rest.as_ref()?.expiring.first().copied()
    }

    /// Drops the lane if it has become empty and is not the main one.
    #[inline]
    fn tidy(&mut self, priority: u8) {
        let Some(rest) = &mut self.rest else { return };
        if rest.more.get(&priority).is_some_and(Lane::is_empty) {
            rest.more.remove(&priority);
        }
        if rest.more.is_empty() && rest.expiring.is_empty() {
            self.rest = None;
        }
    }

    fn more(&self) -> &BTreeMap<u8, Lane> {
        self.rest.as_ref().map_or(&NO_LANES, |rest| &rest.more)
    }
}

/// The lane of a priority; the main one becomes it if there are no messages at all.
fn lane_mut<'a>(main: &'a mut Lane, rest: &'a mut Option<Box<Rest>>, is_first: bool, priority: u8) -> &'a mut Lane {
    if is_first && main.backlog.priority() != priority {
        main.backlog.set_priority(priority);
    }
    if main.backlog.priority() == priority {
        return main;
    }
    rest.get_or_insert_default().more.entry(priority).or_insert_with(|| {
        let mut lane = Lane::default();
        lane.backlog.set_priority(priority);
        lane
    })
}

fn outermost<'a>(main: &'a mut Lane, more: &'a mut BTreeMap<u8, Lane>, side: Side) -> &'a mut Lane {
    let other = match side {
        Side::Highest => more.last_entry(),
        Side::Lowest => more.first_entry(),
    };
    let Some(other) = other else { return main };
    let is_other_further = match side {
        Side::Highest => *other.key() > main.backlog.priority(),
        Side::Lowest => *other.key() < main.backlog.priority(),
    };
    if is_other_further || main.is_empty() { other.into_mut() } else { main }
}

/// A message that leaves is not listed any more.
#[inline]
fn forget_expiry(expiring: &mut Expiring, portion: &Portion<'_>) {
    let Portion::One(message) = portion else { return };
    if message.expires_at != NEVER {
        expiring.remove(&(message.expires_at, message.position, message.priority));
    }
}
