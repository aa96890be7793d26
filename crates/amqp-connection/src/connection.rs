//! The connection: what it holds, how bytes and time come in, how events and bytes go out.
//!
//! Frames are taken one by one when an event is polled, so that the broker has acted on one frame before the next is looked
//! at. From here the reader goes to [`input`] (frames), [`handshake`] (channel zero), [`session`] (channels),
//! [`transaction`] (tx), [`answers`] (what the broker says), [`close`] (how it ends).

mod answers;
mod close;
mod handshake;
mod input;
mod session;
mod transaction;

use std::{collections::BTreeMap, fmt, sync::Arc};

use amqp_codec::methods::connection::Close;
use amqp_codec::segments::Segments;
use bytes::{Bytes, BytesMut};
use types::{ShortStr, Timestamp};

pub use self::{answers::Tuning, close::CloseReason, session::ChannelStats};
use crate::{
    Config, Event,
    channel::{Channel, Session},
    events::Events,
    phase::Phase,
    timers::{Due, Timers},
};

/// The server side of one AMQP 0-9-1 connection.
///
/// All time that is passed in comes from one clock that does not jump (milliseconds from any start); only differences count.
pub struct Connection {
    config: Arc<Config>,
    phase: Phase,
    /// The last moment that was known.
    now: Timestamp,
    timers: Timers,
    /// Whole frames that are not looked at yet; now and then the start of one behind them.
    input: BytesMut,
    /// No more bytes will come.
    eof: bool,
    /// Frames cannot be told from each other any more: bytes that come are dropped.
    deaf: bool,
    events: Events,
    output: Segments,
    /// Channels in use, by number.
    channels: BTreeMap<u16, Channel>,
    /// Channels whose confirms are not all in the output.
    unflushed: Vec<u16>,
    /// Over all channels: messages that are not complete, and how much of their bodies has come.
    unfinished: Unfinished,
    tuning: Tuning,
    capabilities: Capabilities,
    mechanism: ShortStr,
    blocked: Blocked,
    close_reason: Option<CloseReason>,
    /// What the client is told when the broker has released what belonged to the connection; none when it is the client that
    /// closes.
    farewell: Option<Box<Close>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Unfinished {
    messages: usize,
    bytes: usize,
}

/// What the client says that it understands.
#[derive(Clone, Copy, Debug, Default)]
struct Capabilities {
    /// In the order of the names that are known.
    known: [bool; 9],
}

/// `connection.blocked` is sent to publishers alone.
#[derive(Debug, Default)]
struct Blocked {
    reason: Option<ShortStr>,
    is_told: bool,
    has_published: bool,
}

impl Connection {
    /// A client has connected; its protocol header is awaited.
    pub fn new(config: Arc<Config>, now: Timestamp) -> Self {
        let timers = Timers::new(now, config.handshake_timeout_ms);
        Connection {
            config,
            phase: Phase::Header,
            now,
            timers,
            input: BytesMut::new(),
            eof: false,
            deaf: false,
            events: Events::default(),
            output: Segments::new(),
            channels: BTreeMap::new(),
            unflushed: Vec::new(),
            unfinished: Unfinished::default(),
            tuning: Tuning::INITIAL,
            capabilities: Capabilities::default(),
            mechanism: ShortStr::EMPTY,
            blocked: Blocked::default(),
            close_reason: None,
            farewell: None,
        }
    }

    /// Bytes came from the client. Takes whole frames from the front of `buf` (a frame that cannot be right at once, so that
    /// `buf` need never hold more than one frame) and leaves the rest; the next bytes are appended to it. The frames take
    /// effect as [`Connection::poll_event`] is called.
    pub fn handle_bytes(&mut self, now: Timestamp, buf: &mut BytesMut) {
        self.tick(now);
        self.timers.received(now);
        self.take_frames(buf);
    }

    /// No more bytes will come: the client has closed its side, or the socket is broken. The frames that came before still
    /// take effect.
    pub fn handle_eof(&mut self) {
        self.eof = true;
    }

    /// Time has passed. To be called at [`Connection::next_timeout`]; calling it earlier does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.tick(now);
        match self.timers.due(now) {
            None => {}
            Some(Due::Handshake) => self.close_at_once(CloseReason::HandshakeTimeout),
            Some(Due::PeerSilent) => self.close_at_once(CloseReason::HeartbeatTimeout),
            Some(Due::Close) => self.close_timed_out(),
            Some(Due::SendHeartbeat) => {
                if self.output.is_empty() {
                    self.write_heartbeat();
                }
                // Not only when it is handed out: a shell whose socket is full must not be sent round and round.
                self.timers.sent(now);
                self.shrink();
            }
        }
    }

    /// When [`Connection::handle_timeout`] should be called, unless another call changes it. May lie in the past.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next(self.now)
    }

    /// The next event. To be polled until there is none after each of the `handle_` calls, and after `login_ok`, `challenge`,
    /// `open_ok` `update_secret_ok` and `release` too, since
    /// frames may have waited for them. Polling may also be put off, to process no more
    /// input for a while; no bytes should be handed in then.
    pub fn poll_event(&mut self) -> Option<Event> {
        while !self.events.is_ready() || self.next_frame_settles_too() {
            if self.read_frame() {
                continue;
            }
            // What waits behind a new secret came before the end.
            if self.eof && !matches!(self.phase, Phase::Closed | Phase::SecretUpdating) {
                self.close_at_once(CloseReason::Lost);
                continue;
            }
            break;
        }
        let event = self.events.pop();
        if event.is_none() {
            self.rest();
        }
        event
    }

    /// Appends to `out` all that is to be sent, in order, small frames in one piece.
    pub fn poll_transmit(&mut self, out: &mut Vec<Bytes>) {
        self.flush_confirms();
        if !self.output.is_empty() {
            // The whole is taken, so that a connection that falls idle keeps no buffer.
            std::mem::take(&mut self.output).drain_into(out);
            self.timers.sent(self.now);
        }
    }

    /// How much waits to be sent, confirms that are not written yet aside. Unit: bytes.
    pub fn pending_output_bytes(&self) -> usize {
        self.output.len()
    }

    /// How much input waits for [`Connection::poll_event`]. Unit: bytes.
    pub fn pending_input_bytes(&self) -> usize {
        self.input.len()
    }

    /// How much has come of message bodies that are not complete, on all channels. Unit: bytes.
    pub fn unfinished_bytes(&self) -> usize {
        self.unfinished.bytes
    }

    /// Whether bytes are wanted. While not, the shell may leave them in the socket: the broker has to answer first, or all is
    /// said.
    pub fn wants_input(&self) -> bool {
        !self.phase.holds_input() && self.phase != Phase::Closed && !self.eof
    }

    /// Tells whether the shell reads from the socket at all (back-pressure). While it does not, a client that seems silent is
    /// not taken for dead.
    pub fn set_reading(&mut self, now: Timestamp, reading: bool) {
        self.tick(now);
        self.timers.set_reading(now, reading);
    }

    /// Whether all is said: when the output is sent, the socket can be dropped.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    fn tick(&mut self, now: Timestamp) {
        self.now = now;
        self.timers.tick(now);
    }

    /// Nothing is left to do: gives memory back.
    fn rest(&mut self) {
        if self.input.is_empty() {
            // Even an empty slice would keep the receive buffer alive.
            self.input = BytesMut::new();
        }
        if self.unfinished.messages > 0 {
            for session in self.channels.values_mut().filter_map(Channel::session_mut) {
                session.compact();
            }
        }
    }

    /// The connection is idle: gives memory back that was kept for the next burst.
    fn shrink(&mut self) {
        self.unflushed.shrink_to_fit();
        for session in self.channels.values_mut().filter_map(Channel::session_mut) {
            session.held.shrink();
            if let Some(confirms) = &mut session.confirms {
                confirms.shrink();
            }
        }
    }

    fn session_mut(&mut self, channel: u16) -> Option<&mut Session> {
        self.channels.get_mut(&channel).and_then(Channel::session_mut)
    }
}

impl fmt::Debug for Connection {
    /// Without input and output, which hold secrets and bodies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("phase", &self.phase)
            .field("now", &self.now)
            .field("timers", &self.timers)
            .field("channels", &self.channels.len())
            .field("unfinished", &self.unfinished)
            .field("tuning", &self.tuning)
            .field("capabilities", &self.capabilities)
            .field("blocked", &self.blocked)
            .field("close_reason", &self.close_reason)
            .finish_non_exhaustive()
    }
}
