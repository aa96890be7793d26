//! The clocks of a connection: the handshake, heartbeats in both directions (AMQP 0-9-1 §4.2.7), the wait for close-ok.

use types::Timestamp;

/// What a moment brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The handshake took too long.
    Handshake,
    /// The peer sent nothing for two heartbeat intervals.
    PeerSilent,
    /// Close-ok took too long.
    Close,
    /// Nothing was sent for half an interval.
    SendHeartbeat,
}

/// When something is due.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    handshake: Option<Timestamp>,
    /// Zero without heartbeats.
    interval_ms: u64,
    received: Timestamp,
    sent: Timestamp,
    reading: bool,
    close: Close,
}

#[derive(Clone, Copy, Debug)]
enum Close {
    Off,
    /// Runs from the next moment that is known: the broker's calls carry no time.
    Requested(u64),
    At(Timestamp),
}

impl Timers {
    /// The handshake starts.
    pub(crate) fn new(now: Timestamp, handshake_timeout_ms: u64) -> Self {
        let handshake = Some(now.plus_ms(handshake_timeout_ms));
        Timers { handshake, interval_ms: 0, received: now, sent: now, reading: true, close: Close::Off }
    }

    /// A moment that became known.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        if let Close::Requested(ms) = self.close {
            self.close = Close::At(now.plus_ms(ms));
        }
    }

    /// The handshake is over.
    pub(crate) fn opened(&mut self) {
        self.handshake = None;
    }

    /// Both sides agreed on a heartbeat interval; zero is none.
    pub(crate) fn start_heartbeats(&mut self, now: Timestamp, interval_s: u16) {
        self.interval_ms = u64::from(interval_s) * 1000;
        self.received = now;
        self.sent = now;
    }

    /// Only close-ok is awaited from now on, for so long.
    pub(crate) fn start_close(&mut self, timeout_ms: u64) {
        self.handshake = None;
        self.interval_ms = 0;
        self.close = Close::Requested(timeout_ms);
    }

    /// Nothing is awaited any more.
    pub(crate) fn stop(&mut self) {
        self.handshake = None;
        self.interval_ms = 0;
        self.close = Close::Off;
    }

    /// Bytes came.
    pub(crate) fn received(&mut self, now: Timestamp) {
        self.received = now;
    }

    /// Bytes went.
    pub(crate) fn sent(&mut self, now: Timestamp) {
        self.sent = now;
    }

    /// Whether the peer's bytes are read at all; it is not taken for silent otherwise.
    pub(crate) fn set_reading(&mut self, now: Timestamp, reading: bool) {
        if reading && !self.reading {
            self.received = now;
        }
        self.reading = reading;
    }

    /// When `due` has something to say, as far as is known. `now` is the last moment that was known.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let close = match self.close {
            Close::Off => None,
            Close::Requested(_) => Some(now),
            Close::At(at) => Some(at),
        };
        [self.handshake, close, self.silent_at(), self.heartbeat_at()].into_iter().flatten().min()
    }

    /// What is due, the gravest first.
    pub(crate) fn due(&self, now: Timestamp) -> Option<Due> {
        let close_at = match self.close {
            Close::At(at) => Some(at),
            Close::Off | Close::Requested(_) => None,
        };
        let by_gravity = [
            (close_at, Due::Close),
            (self.handshake, Due::Handshake),
            (self.silent_at(), Due::PeerSilent),
            (self.heartbeat_at(), Due::SendHeartbeat),
        ];
        by_gravity.into_iter().find(|(at, _)| at.is_some_and(|at| at <= now)).map(|(_, due)| due)
    }

    fn silent_at(&self) -> Option<Timestamp> {
        (self.interval_ms > 0 && self.reading).then(|| self.received.plus_ms(2 * self.interval_ms))
    }

    fn heartbeat_at(&self) -> Option<Timestamp> {
        (self.interval_ms > 0).then(|| self.sent.plus_ms(self.interval_ms / 2))
    }
}
