//! Channel zero: the handshake, and the few methods of class connection that come later.

use amqp_codec::{
    EncodeMethod,
    frame::{self, FRAME_MIN_SIZE, FrameKind, RawFrame},
    methods::{Method, connection},
};
use bytes::Bytes;
use types::{FieldTable, FieldValue};

use super::{Capabilities, Connection, Tuning, input::decode_method};
use crate::{Event, fault::Fault, phase::Phase};

/// The content header has at least class, weight and body size.
const CONTENT_HEADER_BYTES_MIN: usize = 12;

impl Connection {
    /// The client speaks AMQP 0-9-1.
    pub(super) fn start(&mut self) {
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: self.config.server_properties.clone(),
            mechanisms: Bytes::copy_from_slice(self.config.mechanisms.as_bytes()),
            locales: Bytes::from_static(b"en_US"),
        };
        self.write(0, &start);
        self.phase = Phase::Starting;
    }

    /// A frame on channel zero before the connection is over.
    pub(super) fn connection_frame(&mut self, frame: RawFrame) {
        let RawFrame { kind, payload, .. } = frame;
        match kind {
            FrameKind::Method => match decode_method(payload) {
                Ok(method) => self.connection_method(method),
                Err(fault) => self.fail(fault),
            },
            FrameKind::Heartbeat if payload.is_empty() => {}
            FrameKind::Heartbeat => self.fail(Fault::unknown_frame(kind.octet(), &payload)),
            FrameKind::Header if payload.len() < CONTENT_HEADER_BYTES_MIN => {
                self.fail(Fault::unknown_frame(kind.octet(), &payload));
            }
            FrameKind::Header | FrameKind::Body => self.fail(Fault::unexpected_frame(kind.octet(), &payload)),
        }
    }

    fn connection_method(&mut self, method: Method) {
        match (self.phase, method) {
            (Phase::Starting, Method::ConnectionStartOk(start_ok)) => self.login(start_ok),
            (Phase::Challenged, Method::ConnectionSecureOk(secure_ok)) => {
                self.phase = Phase::LoggingIn;
                self.events.push(Event::LoginResponse { response: secure_ok.response });
            }
            (Phase::Tuning, Method::ConnectionTuneOk(tune_ok)) => self.tune(&tune_ok),
            (Phase::Opening, Method::ConnectionOpen(open)) => {
                self.phase = Phase::VhostOpening;
                self.events.push(Event::Open { vhost: open.virtual_host });
            }
            (_, Method::ConnectionClose(close)) => self.leave(&close),
            (Phase::Running, Method::ConnectionUpdateSecret(update)) => {
                self.phase = Phase::SecretUpdating;
                let connection::UpdateSecret { new_secret, reason } = update;
                self.events.push(Event::UpdateSecret { new_secret, reason });
            }
            (phase, method) => {
                self.fail(Fault::unexpected_method(phase).of(method.info()));
            }
        }
    }

    fn login(&mut self, start_ok: connection::StartOk) {
        let connection::StartOk { client_properties, mechanism, response, .. } = start_ok;
        self.capabilities = Capabilities::of(&client_properties);
        if !self.config.offers(&mechanism) {
            let fault = Fault::unknown_mechanism(&mechanism.to_string_lossy());
            self.fail(fault.of(&connection::StartOk::INFO));
            return;
        }
        self.mechanism = mechanism.compact();
        self.phase = Phase::LoggingIn;
        self.events.push(Event::Login { mechanism, response, client_properties });
    }

    fn tune(&mut self, tune_ok: &connection::TuneOk) {
        let connection::TuneOk { channel_max, frame_max, heartbeat } = *tune_ok;
        let checked = check_tuned("frame_max", frame_max, FRAME_MIN_SIZE, self.config.frame_max)
            .and_then(|()| check_tuned("channel_max", channel_max.into(), 1, self.config.channel_max.into()));
        if let Err(fault) = checked {
            self.fail(fault.of(&connection::Tune::INFO));
            return;
        }
        self.tuning = Tuning { frame_max, channel_max, heartbeat_s: heartbeat };
        self.timers.start_heartbeats(self.now, heartbeat);
        self.phase = Phase::Opening;
    }

    /// The broker accepts the client's credentials.
    pub fn login_ok(&mut self) {
        if self.phase == Phase::LoggingIn {
            let tune = connection::Tune {
                channel_max: self.config.channel_max,
                frame_max: self.config.frame_max,
                heartbeat: self.config.heartbeat_s,
            };
            self.write(0, &tune);
            self.phase = Phase::Tuning;
        }
    }

    /// The SASL mechanism wants to know more: the client answers with [`Event::LoginResponse`].
    pub fn challenge(&mut self, challenge: Bytes) {
        if self.phase == Phase::LoggingIn {
            self.write(0, &connection::Secure { challenge });
            self.phase = Phase::Challenged;
        }
    }

    /// The broker refuses the client's credentials. A client that can be told is told, any other finds the socket closed.
    pub fn login_refused(&mut self) {
        if self.phase == Phase::LoggingIn {
            self.fail(Fault::login_refused(&self.mechanism.to_string_lossy()));
        }
    }

    /// The virtual host is open. To refuse it, the broker calls [`Connection::hard_error`].
    pub fn open_ok(&mut self) {
        if self.phase == Phase::VhostOpening {
            self.write(0, &connection::OpenOk {});
            self.phase = Phase::Running;
            self.timers.opened();
        }
    }

    /// The client's new secret counts from now on.
    pub fn update_secret_ok(&mut self) {
        if self.phase == Phase::SecretUpdating {
            self.write(0, &connection::UpdateSecretOk {});
            self.phase = Phase::Running;
        }
    }

    /// The client's new secret is refused, which ends the connection.
    pub fn update_secret_refused(&mut self) {
        if self.phase == Phase::SecretUpdating {
            self.fail(Fault::secret_refused().of(&connection::UpdateSecret::INFO));
        }
    }

    /// Whether the client has announced a capability (`consumer_cancel_notify`, `connection.blocked`, ...). Of those that
    /// RabbitMQ's clients announce only; any other is not known to be there.
    pub fn client_has_capability(&self, name: &str) -> bool {
        self.capabilities.has(name)
    }

    /// Appends a method's frame to the output.
    pub(super) fn write(&mut self, channel: u16, method: &impl EncodeMethod) {
        frame::encode_method(self.output.buffer(), channel, method);
    }

    pub(super) fn write_heartbeat(&mut self) {
        frame::encode_heartbeat(self.output.buffer());
    }
}

/// The capabilities that RabbitMQ's clients announce.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

impl Capabilities {
    fn of(client_properties: &FieldTable) -> Self {
        let Some(FieldValue::Table(announced)) = client_properties.get("capabilities") else {
            return Capabilities::default();
        };
        let is_announced = |name: &str| announced.get(name) == Some(&FieldValue::Bool(true));
        Capabilities { known: CAPABILITIES.map(is_announced) }
    }

    /// Whether the client has that one.
    pub(super) fn has(&self, name: &str) -> bool {
        CAPABILITIES.iter().zip(self.known).any(|(known, is_announced)| is_announced && *known == name)
    }
}

/// Zero stands for no limit, in what was offered and in what the client makes of it.
fn check_tuned(field: &str, value: u32, min: u32, offered: u32) -> Result<(), Fault> {
    if value != 0 && value < min {
        return Err(Fault::tuned_too_low(field, value, min));
    }
    if offered != 0 && (value == 0 || value > offered) {
        return Err(Fault::tuned_too_high(field, value, offered));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuned_values_are_checked_as_rabbitmq_does() {
        let text = |field, value, min, offered| check_tuned(field, value, min, offered).err().map(|fault| fault.text);
        assert_eq!(text("frame_max", 4096, 4096, 131_072), None);
        assert_eq!(text("frame_max", 131_072, 4096, 131_072), None);
        assert_eq!(text("frame_max", 0, 4096, 0), None);
        assert_eq!(text("frame_max", 1_000_000, 4096, 0), None);
        assert_eq!(
            text("frame_max", 4095, 4096, 131_072).unwrap(),
            "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)"
        );
        assert_eq!(
            text("frame_max", 0, 4096, 131_072).unwrap(),
            "negotiated frame_max = 0 is higher than the maximum allowed value (131072)"
        );
        assert_eq!(
            text("channel_max", 0, 1, 2047).unwrap(),
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"
        );
        assert_eq!(
            text("channel_max", 2048, 1, 2047).unwrap(),
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)"
        );
    }
}
