//! The driver of one connection: one task, which reads, writes, and hands everything to the connection and its session.
//!
//! ```text
//!   socket ── bytes ──> Connection ── events ──> ConnectionSession ── chunks ──> groups
//!   socket <─ pieces ── Connection <─ answers ── ConnectionSession <── mail ──── groups
//! ```
//! Reading and writing never wait for each other: the task sleeps until the socket can do either, mail has come, or a timer is
//! due. Reading stops while the session has too much under way or an alarm blocks the client; deliveries stop while the client
//! does not read.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use amqp_codec::ReplyCode;
use amqp_connection::{CloseReason, Connection};
use broker::{Broker, ConnectionSession, Mailbox};
use bytes::Bytes;
use telemetry::Shutdown;
use tokio::{
    io::Interest,
    net::TcpStream,
    task::yield_now,
    time::{Instant, Sleep},
};
use tracing::{debug, info, warn};

use crate::{
    Config, clock,
    input::{Input, Read},
    metrics,
    output::{Output, Wrote},
};

/// After such a silence a connection gives its buffers back.
const IDLE: Duration = Duration::from_secs(1);
/// How long what is left to be said may take when the connection is over.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How long what a client sent before it closed may take to be done.
const AFTERMATH: Duration = Duration::from_secs(60);
/// Replies of which a client has read nothing beyond this stop it from asking more. Deliveries are held back long before.
/// Unit: bytes.
const UNREAD_MAX: usize = 16 * 1024 * 1024;
/// How long a client may keep its worker thread before others have a turn. What it sends at once may take long: a publish whose
/// key is compared with many wildcards takes milliseconds.
const TURN: Duration = Duration::from_millis(10);
/// Events between two looks at the clock, which are not free; a client that used up its last turn is looked at after each.
const EVENTS_PER_LOOK: u32 = 8;
/// A timer that is never due.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The driver of one connection.
pub(crate) struct Driver {
    stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    shutdown_patience: Duration,
    wire: Wire,
}

/// All but the socket.
struct Wire {
    connection: Connection,
    session: ConnectionSession,
    mailbox: Arc<Mailbox>,
    input: Input,
    output: Output,
    /// Where the connection puts what is to be written.
    pieces: Vec<Bytes>,
    /// Whether the socket is read.
    is_reading: bool,
    /// Whether the connection has events that were put off, so that others have a turn. Nothing is read meanwhile.
    is_behind: bool,
    /// Whether the client has closed its side.
    is_ended: bool,
    /// The last time that something happened.
    active_at: Instant,
    is_trimmed: bool,
}

/// What the task was woken by.
enum Wake {
    Socket(io::Result<tokio::io::Ready>),
    Mail,
    Timer,
    /// Others had their turn.
    Turn,
    Shutdown,
}

impl Driver {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        config: &Config,
        broker: &Arc<Broker>,
        shutdown: Shutdown,
    ) -> Self {
        // A socket that has no address any more is found to be lost as soon as it is read.
        let local = stream.local_addr().unwrap_or(peer);
        let session = ConnectionSession::accepted(broker, peer, local);
        let wire = Wire {
            connection: Connection::new(Arc::clone(&config.connection), clock::now()),
            mailbox: session.mailbox(),
            session,
            input: Input::new(),
            output: Output::default(),
            pieces: Vec::new(),
            is_reading: true,
            is_behind: false,
            is_ended: false,
            active_at: Instant::now(),
            is_trimmed: true,
        };
        Driver { stream, peer, shutdown, shutdown_patience: config.shutdown_patience, wire }
    }

    /// Serves the client until its connection is over.
    pub(crate) async fn run(self) {
        let Driver { stream, peer, shutdown, shutdown_patience, mut wire } = self;
        debug!(remote = %peer, connection = wire.session.serial(), "client connected");
        let lost = wire.converse(&stream, &shutdown, shutdown_patience).await;
        let reason = wire.connection.close_reason();
        if let Some(CloseReason::Protocol(guess)) = reason {
            warn!(remote = %peer, speaks = guess.description(), "client does not speak AMQP 0-9-1");
        }
        match lost {
            Ok(()) => info!(remote = %peer, connection = wire.session.serial(), ?reason, "connection closed"),
            Err(error) => {
                info!(remote = %peer, connection = wire.session.serial(), %error, ?reason, "connection lost");
            }
        }
        drop(stream);
        wire.aftermath().await;
    }
}

impl Wire {
    /// Moves bytes until all is said, the socket breaks, or patience ends.
    async fn converse(&mut self, stream: &TcpStream, shutdown: &Shutdown, patience: Duration) -> io::Result<()> {
        let timer = tokio::time::sleep(NEVER);
        tokio::pin!(timer);
        let mut deadline: Option<Instant> = None;
        loop {
            self.write(stream)?;
            if self.connection.is_closed() {
                if self.output.is_empty() {
                    return Ok(());
                }
                deadline.get_or_insert_with(|| Instant::now() + LAST_WORDS);
            }
            self.arm(timer.as_mut(), deadline);
            let is_stopping = deadline.is_some();
            let interest = self.interest();
            let wake = tokio::select! {
                // All branches are cancel-safe: nothing is taken before a branch is chosen.
                ready = ready(stream, interest) => Wake::Socket(ready),
                () = self.mailbox.arrived() => Wake::Mail,
                () = timer.as_mut() => Wake::Timer,
                () = yield_now(), if self.is_behind => Wake::Turn,
                () = shutdown.triggered(), if !is_stopping => Wake::Shutdown,
            };
            match wake {
                Wake::Socket(ready) => {
                    if ready?.is_readable() && self.is_reading {
                        self.read(stream)?;
                    }
                }
                Wake::Mail => self.take_mail(),
                Wake::Timer => {
                    if deadline.is_some_and(|at| at <= Instant::now()) {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.tick();
                }
                Wake::Turn => {
                    self.touch();
                    self.act();
                }
                Wake::Shutdown => {
                    let text = "broker forced connection closure with reason 'shutdown'";
                    self.connection.close(ReplyCode::ConnectionForced, text);
                    self.act();
                    deadline = Some(Instant::now() + patience);
                }
            }
        }
    }

    /// Does what the client sent before its socket went, as far as that takes answers.
    async fn aftermath(&mut self) {
        if !self.connection.is_closed() {
            self.connection.handle_eof();
        }
        self.act();
        self.act_on_rest().await;
        self.session.flush(&mut self.connection);
        let deadline = Instant::now() + AFTERMATH;
        while !self.session.is_finished() {
            if tokio::time::timeout_at(deadline, self.mailbox.arrived()).await.is_err() {
                return;
            }
            self.take_mail();
            self.act_on_rest().await;
            self.session.flush(&mut self.connection);
        }
    }

    fn read(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.touch();
        let outcome = self.input.read(stream)?;
        let now = clock::now();
        match outcome {
            Read::Bytes(count) => {
                self.session.note_traffic(count, 0);
                metrics::read(count);
            }
            Read::End => self.is_ended = true,
        }
        self.connection.handle_bytes(now, &mut self.input.buffer);
        if self.is_ended {
            self.connection.handle_eof();
        }
        self.act();
        Ok(())
    }

    fn take_mail(&mut self) {
        self.touch();
        self.session.on_mail(&mut self.connection);
        self.act();
    }

    /// A timer is due: the connection's, or that of idleness.
    fn tick(&mut self) {
        self.connection.handle_timeout(clock::now());
        self.act();
        if !self.is_trimmed && self.active_at.elapsed() >= IDLE {
            self.is_trimmed = true;
            self.input.trim();
            self.output.trim();
            self.pieces = Vec::new();
            self.session.trim();
        }
    }

    /// Has the session act on the events, until none is left or its turn is over.
    fn act(&mut self) {
        let begin = Instant::now();
        let events_per_look = if self.is_behind { 1 } else { EVENTS_PER_LOOK };
        let mut acted = 0_u32;
        while let Some(event) = self.connection.poll_event() {
            self.session.on_event(&mut self.connection, event);
            acted += 1;
            if acted.is_multiple_of(events_per_look) && begin.elapsed() >= TURN {
                self.is_behind = true;
                return;
            }
        }
        self.is_behind = false;
    }

    /// Has the session act on the events that were put off.
    async fn act_on_rest(&mut self) {
        while self.is_behind {
            yield_now().await;
            self.act();
        }
    }

    /// Submits what was gathered, and writes as much as the socket takes.
    fn write(&mut self, stream: &TcpStream) -> io::Result<()> {
        let mut written = 0;
        let result = loop {
            self.session.flush(&mut self.connection);
            if self.output.is_empty() {
                // Only now: what the connection holds is what keeps deliveries back.
                self.connection.poll_transmit(&mut self.pieces);
                self.output.push(&mut self.pieces);
            }
            if self.output.is_empty() {
                break Ok(());
            }
            match self.output.write(stream, &mut written) {
                Ok(Wrote::All) => {}
                Ok(Wrote::Some) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if written > 0 {
            self.session.note_traffic(0, written);
            metrics::written(written);
        }
        self.follow_back_pressure();
        result
    }

    /// Whether the socket is to be read.
    fn follow_back_pressure(&mut self) {
        let reading = !self.is_ended
            && !self.is_behind
            && self.connection.wants_input()
            && self.session.wants_input()
            && self.connection.pending_output_bytes() < UNREAD_MAX;
        if reading != self.is_reading {
            self.is_reading = reading;
            self.connection.set_reading(clock::now(), reading);
        }
    }

    fn interest(&self) -> Option<Interest> {
        match (self.is_reading, !self.output.is_empty()) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        }
    }

    /// Sets the timer to what is due first. One that is set too early costs one wake-up, which is less than setting it anew for
    /// each batch.
    fn arm(&self, timer: std::pin::Pin<&mut Sleep>, deadline: Option<Instant>) {
        let protocol = self.connection.next_timeout().map(clock::instant);
        let idle = (!self.is_trimmed).then(|| self.active_at + IDLE);
        let due = [protocol, idle, deadline].into_iter().flatten().min();
        match due {
            Some(due) if due < timer.deadline() || timer.is_elapsed() => timer.reset(due),
            None if timer.is_elapsed() => timer.reset(Instant::now() + NEVER),
            _ => {}
        }
    }

    fn touch(&mut self) {
        self.active_at = Instant::now();
        self.is_trimmed = false;
    }
}

/// Waits until the socket can do one of these; for ever when it is none.
async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}
