//! What a client sends to log in: the responses of PLAIN (RFC 4616), AMQPLAIN and RABBIT-CR-DEMO.

use std::fmt;

use bytes::Bytes;
use types::{FieldTable, FieldValue, ShortStr};

/// What RABBIT-CR-DEMO asks back.
pub const CHALLENGE: &[u8] = b"Please tell me your password";

/// What the answer to that begins with.
const ANSWER: &[u8] = b"My password is ";

/// A user's name and password, as a client sent them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: ShortStr,
    /// The password. Never logged.
    pub password: Bytes,
}

/// A response that is not what its mechanism says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// Not NUL, user, NUL, password.
    #[error("the response is not one of PLAIN")]
    Plain,
    /// `LOGIN` or `PASSWORD` is missing.
    #[error("AMQPLAIN auth info is missing LOGIN or PASSWORD field")]
    MissingField,
    /// `LOGIN` or `PASSWORD` is not a long string.
    #[error("AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field")]
    FieldType,
    /// Something else than the password was told.
    #[error("the response is not one of RABBIT-CR-DEMO")]
    Challenge,
    /// No user has such a long name.
    #[error("the user name is longer than 255 bytes")]
    NameTooLong,
}

/// Reads a response of PLAIN: NUL, user, NUL, password. As in RabbitMQ, nobody acts for another user: there is nothing before
/// the first NUL.
///
/// # Errors
/// When it has another form.
pub fn parse_plain(response: &[u8]) -> Result<Credentials, SaslError> {
    let mut parts = response.split(|byte| *byte == 0);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some([]), Some(user), Some(password), None) => credentials(user, password),
        _ => Err(SaslError::Plain),
    }
}

/// Reads a response of AMQPLAIN, which is a field table (sent without its length) with `LOGIN` and `PASSWORD`.
///
/// # Errors
/// When one is missing or not a long string.
pub fn amqplain_credentials(response: &FieldTable) -> Result<Credentials, SaslError> {
    match (response.get("LOGIN"), response.get("PASSWORD")) {
        (Some(FieldValue::LongStr(user)), Some(FieldValue::LongStr(password))) => credentials(user, password),
        (Some(_), Some(_)) => Err(SaslError::FieldType),
        (None, _) | (_, None) => Err(SaslError::MissingField),
    }
}

/// Reads the first response of RABBIT-CR-DEMO, which is the user's name.
///
/// # Errors
/// When no user has such a long name.
pub fn user_name(response: &[u8]) -> Result<ShortStr, SaslError> {
    ShortStr::from_bytes(Bytes::copy_from_slice(response)).map_err(|_| SaslError::NameTooLong)
}

/// Reads the second response of RABBIT-CR-DEMO: `My password is` and the password.
///
/// # Errors
/// When it has another form.
pub fn challenged_password(response: &[u8]) -> Result<Bytes, SaslError> {
    response.strip_prefix(ANSWER).map(Bytes::copy_from_slice).ok_or(SaslError::Challenge)
}

fn credentials(user: &[u8], password: &[u8]) -> Result<Credentials, SaslError> {
    let user = user_name(user)?;
    Ok(Credentials { user, password: Bytes::copy_from_slice(password) })
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(text: &'static str) -> FieldValue {
        FieldValue::LongStr(Bytes::from_static(text.as_bytes()))
    }

    fn table(fields: &[(&'static str, FieldValue)]) -> FieldTable {
        FieldTable(fields.iter().map(|(name, value)| (ShortStr::from_static(name), value.clone())).collect())
    }

    #[test]
    fn plain_is_nul_user_nul_password() {
        let found = parse_plain(b"\0guest\0s3cret").unwrap();
        assert_eq!(found.user, "guest");
        assert_eq!(found.password, "s3cret");
        assert_eq!(parse_plain(b"\0guest\0").unwrap().password, "");
    }

    #[test]
    fn plain_of_another_form_is_refused() {
        for response in [&b""[..], b"guest", b"\0guest", b"other\0guest\0pw", b"\0guest\0pw\0more"] {
            assert_eq!(parse_plain(response), Err(SaslError::Plain), "{response:?}");
        }
        let long = [b"\0".as_slice(), &[b'u'; 256], b"\0pw"].concat();
        assert_eq!(parse_plain(&long), Err(SaslError::NameTooLong));
    }

    #[test]
    fn amqplain_is_a_table_with_login_and_password() {
        let found = amqplain_credentials(&table(&[("LOGIN", long("guest")), ("PASSWORD", long("pw"))])).unwrap();
        assert_eq!((found.user.as_bytes(), &found.password[..]), (&b"guest"[..], &b"pw"[..]));
    }

    #[test]
    fn amqplain_without_a_field_or_with_other_types_is_refused() {
        let missing = table(&[("LOGIN", long("guest"))]);
        assert_eq!(amqplain_credentials(&missing), Err(SaslError::MissingField));
        let typed = table(&[("LOGIN", long("guest")), ("PASSWORD", FieldValue::I32(1))]);
        assert_eq!(amqplain_credentials(&typed), Err(SaslError::FieldType));
    }

    #[test]
    fn a_challenge_is_answered_in_these_words() {
        assert_eq!(challenged_password(b"My password is s3cret").unwrap(), "s3cret");
        assert_eq!(challenged_password(b"My password is ").unwrap(), "");
        for response in [&b""[..], b"s3cret", b"my password is s3cret"] {
            assert_eq!(challenged_password(response), Err(SaslError::Challenge), "{response:?}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let printed = format!("{:?}", parse_plain(b"\0guest\0s3cret").unwrap());
        assert!(printed.contains("guest") && !printed.contains("s3cret"), "{printed}");
    }
}
