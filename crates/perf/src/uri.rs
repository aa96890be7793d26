//! AMQP URIs: `amqp://user:password@host:port/vhost`, and lists of them.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// The port of AMQP without TLS.
const PORT_DEFAULT: u16 = 5672;

/// Where and as whom to connect.
#[derive(Clone, PartialEq, Eq)]
pub struct Uri {
    /// Host name or address, without the brackets of IPv6.
    pub host: String,
    /// TCP port; 5672 when the text has none.
    pub port: u16,
    /// `guest` when the text has none.
    pub user: String,
    /// `guest` when the text has no user.
    pub password: String,
    /// `/` when the text has no path or an empty one.
    pub vhost: String,
}

/// One or more URIs, separated by commas; connections are spread over them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriList(Vec<Uri>);

/// The text is not an AMQP URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// The text has no scheme `amqp://`.
    #[error("'{0}' does not start with amqp://")]
    Scheme(String),
    /// TLS was asked for.
    #[error("'{0}': TLS is not supported by the load generator")]
    Tls(String),
    /// There is no host.
    #[error("'{0}' names no host")]
    NoHost(String),
    /// The port is not a number from 1 to 65535.
    #[error("'{0}' has no valid port")]
    Port(String),
    /// A percent sign is not followed by two hexadecimal digits, or the result is not UTF-8.
    #[error("'{0}' is not percent-encoded")]
    Encoding(String),
}

impl UriList {
    /// The URI for the connection of that number, and after each failed attempt the next one.
    pub fn pick(&self, number: usize) -> &Uri {
        &self.0[number % self.0.len()]
    }

    /// All URIs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Uri> {
        self.0.iter()
    }
}

impl From<Uri> for UriList {
    fn from(uri: Uri) -> Self {
        UriList(vec![uri])
    }
}

impl FromStr for UriList {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let uris: Result<Vec<Uri>, UriError> = text.split(',').map(|part| part.trim().parse()).collect();
        uris.map(UriList)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.starts_with("amqps://") {
            return Err(UriError::Tls(redacted(text)));
        }
        let rest = text.strip_prefix("amqp://").ok_or_else(|| UriError::Scheme(redacted(text)))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, password, address) = match authority.rsplit_once('@') {
            Some((login, address)) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (decode(user, text)?, decode(password, text)?, address)
            }
            None => ("guest".into(), "guest".into(), authority),
        };
        let (host, port) = split_address(address).ok_or_else(|| UriError::Port(redacted(text)))?;
        if host.is_empty() {
            return Err(UriError::NoHost(redacted(text)));
        }
        let vhost = if path.is_empty() { "/".into() } else { decode(path, text)? };
        Ok(Uri { host: host.into(), port, user, password, vhost })
    }
}

fn split_address(address: &str) -> Option<(&str, u16)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => match address.split_once(':') {
            Some((host, port)) => (host, port),
            None => (address, ""),
        },
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    if port.is_empty() {
        return Some((host, PORT_DEFAULT));
    }
    port.parse().ok().filter(|port| *port != 0).map(|port| (host, port))
}

fn decode(part: &str, whole: &str) -> Result<String, UriError> {
    let bad = || UriError::Encoding(redacted(whole));
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok()).ok_or_else(bad)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// The text without what stands before the `@`, since errors are printed and kept.
fn redacted(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, address))) => format!("{scheme}://...@{address}"),
        _ => text.to_owned(),
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "amqp://{open}{}{close}:{}", self.host, self.port)?;
        if self.vhost == "/" { Ok(()) } else { write!(f, "/{}", self.vhost) }
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for UriList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, uri) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{uri}")?;
        }
        Ok(())
    }
}

/// Without user and password: reports are shown to others.
impl Serialize for UriList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn all_parts_are_read() {
        let parsed = uri("amqp://me:s%40cret@broker.example:5673/my%2Fhost");
        assert_eq!(parsed.host, "broker.example");
        assert_eq!(parsed.port, 5673);
        assert_eq!(parsed.user, "me");
        assert_eq!(parsed.password, "s@cret");
        assert_eq!(parsed.vhost, "my/host");
    }

    #[test]
    fn missing_parts_have_defaults() {
        let parsed = uri("amqp://127.0.0.1");
        assert_eq!((parsed.port, parsed.user.as_str(), parsed.password.as_str()), (5672, "guest", "guest"));
        assert_eq!(parsed.vhost, "/");
        assert_eq!(uri("amqp://127.0.0.1/").vhost, "/");
        assert_eq!(uri("amqp://127.0.0.1/%2f").vhost, "/");
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let parsed = uri("amqp://[::1]:5674");
        assert_eq!((parsed.host.as_str(), parsed.port), ("::1", 5674));
        assert_eq!(uri("amqp://[::1]").port, 5672);
        assert_eq!(parsed.to_string(), "amqp://[::1]:5674");
    }

    #[test]
    fn what_is_not_an_amqp_uri_is_refused_without_showing_the_password() {
        assert!(matches!("localhost:5672".parse::<Uri>(), Err(UriError::Scheme(_))));
        assert!(matches!("amqps://localhost".parse::<Uri>(), Err(UriError::Tls(_))));
        assert!(matches!("amqp://:5672".parse::<Uri>(), Err(UriError::NoHost(_))));
        assert!(matches!("amqp://localhost:0".parse::<Uri>(), Err(UriError::Port(_))));
        assert!(matches!("amqp://localhost/%zz".parse::<Uri>(), Err(UriError::Encoding(_))));
        assert!(matches!("amqp://localhost/%+1".parse::<Uri>(), Err(UriError::Encoding(_))));
        let error = "amqp://me:secret@localhost:x".parse::<Uri>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn connections_go_round_the_list() {
        let list: UriList = "amqp://a,amqp://b, amqp://c:1".parse().unwrap();
        let hosts: Vec<&str> = (0..5).map(|number| list.pick(number).host.as_str()).collect();
        assert_eq!(hosts, ["a", "b", "c", "a", "b"]);
    }

    #[test]
    fn a_report_holds_no_login() {
        let list: UriList = "amqp://me:secret@a/v".parse().unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"["amqp://a:5672/v"]"#);
    }
}
