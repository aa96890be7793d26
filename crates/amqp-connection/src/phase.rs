//! The states of a connection.
//!
//! ```text
//!            protocol header        start-ok              login_ok             tune-ok
//!   Header ────────────────▶ Starting ─────▶ LoggingIn ────────────▶ Tuning ───────────▶ Opening
//!     │                              secure-ok ▲    │ challenge                             │ open
//!     │ another                                │    ▼                                       ▼
//!     │ protocol                             Challenged                               VhostOpening
//!     │                                                                                     │ open_ok
//!     │      a fault before Tuning (unless the client can be told), handshake timeout       ▼
//!     ├────────────────────────────────────────────────────────────┐                     Running
//!     │                                                             │                  │         │
//!     ▼                release of the client's close                ▼      a close, a fault,  │
//!   Closed ◀───────────────────────────────────────────────── Leaving ◀─────── close() ────────┘
//!     ▲                                                             │ release of ours
//!     │                                                             ▼
//!     └──────────────────────────────────────────────────────── Closing
//!                close-ok, close timeout, frames that cannot be cut any more
//! ```
//!
//! `connection.update-secret` leads from `Running` to `SecretUpdating` and its answer back. The client's close leads from every
//! state from `Starting` on to `Leaving`, and so does a fault from `Tuning` on (there: of values that are not allowed); the end
//! of input, a silent peer and a time-out lead from every state to `Closed`. In `Closing`, and in `Leaving` when it is our close,
//! everything but close and close-ok is passed over; in `Closed`, and in `Leaving` after the client's close, everything.

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The client's protocol header is awaited.
    Header,
    /// `connection.start` is sent.
    Starting,
    /// The broker checks the credentials. Input is held.
    LoggingIn,
    /// `connection.secure` is sent.
    Challenged,
    /// `connection.tune` is sent.
    Tuning,
    /// `connection.open` is awaited.
    Opening,
    /// The broker opens the virtual host. Input is held.
    VhostOpening,
    /// Channels may be used, but the broker checks a new secret first. Input is held.
    SecretUpdating,
    /// Channels may be used.
    Running,
    /// The client's `connection.close` is answered, or ours is sent, when the broker has released what belonged to the connection.
    Leaving,
    /// `connection.close` is sent.
    Closing,
    /// All is said.
    Closed,
}

impl Phase {
    /// RabbitMQ's name for it in error texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Header => "pre_init",
            Phase::Starting => "starting",
            Phase::LoggingIn | Phase::Challenged => "securing",
            Phase::Tuning => "tuning",
            Phase::Opening | Phase::VhostOpening => "opening",
            Phase::SecretUpdating | Phase::Running => "running",
            Phase::Leaving => "closing",
            Phase::Closing | Phase::Closed => "closed",
        }
    }

    /// Whether input waits until the broker has answered.
    pub(crate) fn holds_input(self) -> bool {
        matches!(self, Phase::LoggingIn | Phase::VhostOpening | Phase::SecretUpdating)
    }

    /// Whether there may be sessions.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Phase::SecretUpdating | Phase::Running)
    }

    /// Whether sessions are over.
    pub(crate) fn is_over(self) -> bool {
        self > Phase::Running
    }
}
