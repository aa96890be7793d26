//! The eight bytes with which a client opens the conversation (AMQP 0-9-1 §4.2.2).

/// The protocol header of AMQP 0-9-1: what a client sends, and what is answered to one that asks for something else.
pub const AMQP_0_9_1: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// AMQP 0-9's header, which RabbitMQ takes for 0-9-1.
const AMQP_0_9: [u8; 8] = *b"AMQP\x01\x01\x00\x09";

/// What a client's first eight bytes ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// AMQP 0-9-1, or 0-9, which is spoken to in the same way.
    Amqp091,
    /// Anything else.
    Unsupported {
        /// The header to send before the socket is closed: always one that we do speak.
        answer: [u8; 8],
        /// What the bytes look like, for the log.
        guess: Guess,
    },
}

/// What a client that does not speak AMQP 0-9-1 seems to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Another version of AMQP 0.
    AmqpOther,
    /// AMQP 1.0, plain or behind SASL or TLS.
    Amqp10,
    /// A TLS ClientHello on a port without TLS.
    Tls,
    /// An HTTP request.
    Http,
    /// A header of the PROXY protocol, from a peer that was not expected to send one.
    Proxy,
    /// Nothing known.
    Unknown,
}

impl ProtocolHeader {
    /// Reads a client's first eight bytes.
    pub fn parse(header: &[u8; 8]) -> Self {
        match *header {
            AMQP_0_9_1 | AMQP_0_9 => ProtocolHeader::Amqp091,
            _ => ProtocolHeader::Unsupported { answer: AMQP_0_9_1, guess: Guess::of(header) },
        }
    }
}

impl Guess {
    /// In words, for the log.
    pub const fn description(self) -> &'static str {
        match self {
            Guess::AmqpOther => "another version of AMQP",
            Guess::Amqp10 => "AMQP 1.0",
            Guess::Tls => "TLS, on a port without TLS",
            Guess::Http => "HTTP",
            Guess::Proxy => "the PROXY protocol, from an address that is not trusted to",
            Guess::Unknown => "an unknown protocol",
        }
    }

    fn of(header: &[u8; 8]) -> Self {
        match header {
            [b'A', b'M', b'Q', b'P', 0 | 2 | 3, 1, 0, 0] => Guess::Amqp10,
            [b'A', b'M', b'Q', b'P', ..] => Guess::AmqpOther,
            [0x16, 0x03, ..] => Guess::Tls,
            b"\r\n\r\n\0\r\nQ" => Guess::Proxy,
            _ if header.starts_with(b"PROXY ") => Guess::Proxy,
            _ if [&b"GET "[..], b"POST ", b"PUT ", b"HEAD ", b"OPTIONS "]
                .iter()
                .any(|verb| header.starts_with(verb)) =>
            {
                Guess::Http
            }
            _ => Guess::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(header: &[u8; 8]) -> Option<Guess> {
        match ProtocolHeader::parse(header) {
            ProtocolHeader::Amqp091 => None,
            ProtocolHeader::Unsupported { answer, guess } => {
                assert_eq!(&answer, b"AMQP\x00\x00\x09\x01");
                Some(guess)
            }
        }
    }

    #[test]
    fn versions_0_9_1_and_0_9_are_accepted() {
        assert_eq!(guess(b"AMQP\x00\x00\x09\x01"), None);
        assert_eq!(guess(b"AMQP\x01\x01\x00\x09"), None);
    }

    #[test]
    fn other_versions_are_answered_with_0_9_1() {
        assert_eq!(guess(b"AMQP\x01\x01\x08\x00"), Some(Guess::AmqpOther));
        assert_eq!(guess(b"AMQP\x00\x00\x09\x02"), Some(Guess::AmqpOther));
        assert_eq!(guess(b"AMQP\x03\x01\x00\x00"), Some(Guess::Amqp10));
        assert_eq!(guess(b"AMQP\x00\x01\x00\x00"), Some(Guess::Amqp10));
    }

    #[test]
    fn strangers_are_recognised_for_the_log() {
        assert_eq!(guess(b"GET / HT"), Some(Guess::Http));
        assert_eq!(guess(b"\x16\x03\x01\x02\x00\x01\x00\x01"), Some(Guess::Tls));
        assert_eq!(guess(b"PROXY TC"), Some(Guess::Proxy));
        assert_eq!(guess(b"\r\n\r\n\0\r\nQ"), Some(Guess::Proxy));
        assert_eq!(guess(b"SSH-2.0-"), Some(Guess::Unknown));
    }
}
