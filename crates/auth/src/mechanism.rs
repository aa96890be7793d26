//! The SASL mechanisms.

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// User and password, separated by NUL.
    Plain,
    /// User and password, in a field table.
    AmqPlain,
    /// Nobody in particular: whom the configuration says.
    Anonymous,
    /// The user, and when asked for it the password. RabbitMQ has it to show that there may be several rounds.
    ChallengeResponse,
}

/// A mechanism that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no SASL mechanism that can be offered")]
pub struct UnknownMechanism(pub String);

impl Mechanism {
    /// All mechanisms.
    pub const ALL: [Mechanism; 4] =
        [Mechanism::Plain, Mechanism::AmqPlain, Mechanism::Anonymous, Mechanism::ChallengeResponse];

    /// What is offered where the configuration does not say.
    pub const USUAL: [Mechanism; 2] = [Mechanism::Plain, Mechanism::AmqPlain];

    /// The mechanism of that name.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Mechanism::ALL.into_iter().find(|mechanism| mechanism.as_str().as_bytes() == name)
    }

    /// Its name in `connection.start`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::AmqPlain => "AMQPLAIN",
            Mechanism::Anonymous => "ANONYMOUS",
            Mechanism::ChallengeResponse => "RABBIT-CR-DEMO",
        }
    }

    /// What `connection.start` offers when these are turned on.
    ///
    /// # Errors
    /// When there is no mechanism of such a name.
    pub fn offered(names: &[String]) -> Result<String, UnknownMechanism> {
        match names.iter().find(|name| Mechanism::parse(name.as_bytes()).is_none()) {
            Some(unknown) => Err(UnknownMechanism(unknown.clone())),
            None => Ok(names.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mechanism_has_a_name_by_which_it_is_found() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::parse(mechanism.as_str().as_bytes()), Some(mechanism));
        }
        assert_eq!(Mechanism::parse(b"plain"), None);
    }

    #[test]
    fn only_mechanisms_that_there_are_can_be_offered() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(Mechanism::offered(&names(&["PLAIN", "RABBIT-CR-DEMO"])).unwrap(), "PLAIN RABBIT-CR-DEMO");
        let refused = Mechanism::offered(&names(&["PLAIN", "EXTERNAL"])).unwrap_err();
        assert_eq!(refused.to_string(), "'EXTERNAL' is no SASL mechanism that can be offered");
    }
}
