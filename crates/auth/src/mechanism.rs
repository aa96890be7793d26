//! The SASL mechanisms that are offered.

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password, separated by NUL.
    Plain,
    /// User and password, in a field table.
    AmqPlain,
    /// Nobody in particular. Not offered unless the configuration says so.
    Anonymous,
}

impl Mechanism {
    /// What `connection.start` offers, without and with anonymous logins.
    pub fn offered(anonymous: bool) -> &'static str {
        if anonymous { "PLAIN AMQPLAIN ANONYMOUS" } else { "PLAIN AMQPLAIN" }
    }

    /// The mechanism that a client chose in `connection.start-ok`, when it is offered.
    pub fn parse(name: &[u8], anonymous: bool) -> Option<Self> {
        match name {
            b"PLAIN" => Some(Mechanism::Plain),
            b"AMQPLAIN" => Some(Mechanism::AmqPlain),
            b"ANONYMOUS" if anonymous => Some(Mechanism::Anonymous),
            _ => None,
        }
    }

    /// Its name in `connection.start`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::AmqPlain => "AMQPLAIN",
            Mechanism::Anonymous => "ANONYMOUS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_what_is_accepted() {
        for anonymous in [false, true] {
            for name in ["PLAIN", "AMQPLAIN", "ANONYMOUS", "EXTERNAL"] {
                let offered = Mechanism::offered(anonymous).split(' ').any(|word| word == name);
                let parsed = Mechanism::parse(name.as_bytes(), anonymous);
                assert_eq!(parsed.map(Mechanism::as_str), offered.then_some(name));
            }
        }
    }
}
