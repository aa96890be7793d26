//! Why a command was not done, with the exit code that RabbitMQ's tools have for it (those of sysexits).

use crate::client::Error;

/// Wrong arguments.
pub(crate) const USAGE: u8 = 64;
/// Arguments that name or hold something that is not right.
pub(crate) const DATA: u8 = 65;
/// No such user.
pub(crate) const NO_USER: u8 = 67;
/// The node is not there, or refuses.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Something else.
pub(crate) const SOFTWARE: u8 = 70;
/// Not within the time.
pub(crate) const TEMPORARY: u8 = 75;
/// Not allowed.
pub(crate) const NO_PERMISSION: u8 = 77;

/// Why a command was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) text: String,
    /// What was named is not there.
    pub(crate) is_missing: bool,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// What is printed as it is.
    pub(crate) fn plain(code: u8, text: impl Into<String>) -> Self {
        Failure { code, text: text.into(), is_missing: false }
    }

    pub(crate) fn new(code: u8, text: impl AsRef<str>) -> Self {
        Self::plain(code, format!("Error:\n{}", text.as_ref()))
    }

    pub(crate) fn unavailable(text: impl AsRef<str>) -> Self {
        Self::new(UNAVAILABLE, text)
    }

    pub(crate) fn no_vhost(vhost: &str) -> Self {
        Self::plain(DATA, format!("Virtual host '{vhost}' does not exist"))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unreachable { node, why } => Failure::plain(
                UNAVAILABLE,
                format!(
                    "Error: unable to perform an operation on node '{node}': {why}\n\nIs the node running, and does it listen there? Say where \
                     with --node http://host:port or QUORATE_CTL_NODE."
                ),
            ),
            Error::Timeout(node) => {
                Failure::plain(TEMPORARY, format!("Error: operation on node {node} timed out. See --timeout."))
            }
            Error::NoCredentials(data_dir) => Failure::new(
                NO_PERMISSION,
                format!(
                    "there is no token in {data_dir}: set QUORATE_NODE_DATA_DIR to the data directory of the node, or QUORATE_CTL_USER and \
                     QUORATE_CTL_PASSWORD"
                ),
            ),
            Error::Refused(_) => Failure::new(NO_PERMISSION, error.to_string()),
            Error::NotFound => Failure { is_missing: true, ..Failure::unavailable("not found") },
            Error::Failed { .. } => Failure::unavailable(error.to_string()),
        }
    }
}
