//! Password hashes as RabbitMQ keeps, imports and exports them: four bytes of salt, then the digest of salt and password;
//! in text, base64 of both.

use std::hint::black_box;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest, Sha256, Sha512};

use crate::md5::md5;

/// Length of a salt. Unit: bytes.
const SALT_LEN: usize = 4;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// `rabbit_password_hashing_sha256`, the default.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`.
    Sha512,
    /// `rabbit_password_hashing_md5`: only to verify hashes that were imported.
    Md5,
}

/// A text that is not a salted hash of that algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not base64.
    #[error("password hash is not base64")]
    NotBase64,
    /// Not four bytes of salt and a digest.
    #[error("password hash has a length that its algorithm does not give")]
    WrongLength,
}

impl Algorithm {
    /// RabbitMQ's name, as definitions and the HTTP API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "rabbit_password_hashing_sha256",
            Algorithm::Sha512 => "rabbit_password_hashing_sha512",
            Algorithm::Md5 => "rabbit_password_hashing_md5",
        }
    }

    /// The algorithm of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Md5].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    fn digest_len(self) -> usize {
        match self {
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
            Algorithm::Md5 => 16,
        }
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        match self {
            Algorithm::Sha256 => Sha256::new().chain_update(salt).chain_update(password).finalize().to_vec(),
            Algorithm::Sha512 => Sha512::new().chain_update(salt).chain_update(password).finalize().to_vec(),
            Algorithm::Md5 => md5(&[salt, password].concat()).to_vec(),
        }
    }
}

/// Hashes a password with a random salt: salt and digest.
pub fn hash_password(algorithm: Algorithm, password: &[u8]) -> Bytes {
    hash_with_salt(algorithm, rand::random(), password)
}

/// Hashes a password: salt and digest.
pub fn hash_with_salt(algorithm: Algorithm, salt: [u8; SALT_LEN], password: &[u8]) -> Bytes {
    [&salt[..], &algorithm.digest(&salt, password)].concat().into()
}

/// Whether it is the password of that salted hash. `None` stands for a user that is not there, or has no password: it takes as
/// long as a wrong password, and so does not tell which users there are. A blank password is never right.
pub fn check_password(stored: Option<(Algorithm, &[u8])>, password: &[u8]) -> bool {
    let nobody = (Algorithm::Sha256, &[0; SALT_LEN][..]);
    let (algorithm, salted) = stored.unwrap_or(nobody);
    let (salt, digest) = salted.split_at_checked(SALT_LEN).unwrap_or((salted, &[]));
    let is_equal = equal_in_constant_time(&algorithm.digest(salt, password), digest);
    is_equal && !password.is_empty()
}

/// The hash as text.
pub fn encode_hash(salted: &[u8]) -> String {
    STANDARD.encode(salted)
}

/// Reads a hash that was written as text.
///
/// # Errors
/// When it is not base64, or has another length than the algorithm's hashes.
pub fn decode_hash(algorithm: Algorithm, text: &str) -> Result<Bytes, HashError> {
    let salted = STANDARD.decode(text).map_err(|_| HashError::NotBase64)?;
    if salted.len() == SALT_LEN + algorithm.digest_len() { Ok(salted.into()) } else { Err(HashError::WrongLength) }
}

fn equal_in_constant_time(a: &[u8], b: &[u8]) -> bool {
    let differing = a.iter().zip(b).fold(0, |all, (x, y)| black_box(all | (x ^ y)));
    a.len() == b.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Md5];

    #[test]
    fn the_hash_is_the_one_of_rabbitmqs_documentation() {
        // "Computing password hash" in its documentation of passwords: salt 908D C60A, password test12.
        let hash = hash_with_salt(Algorithm::Sha256, [0x90, 0x8D, 0xC6, 0x0A], b"test12");
        assert_eq!(encode_hash(&hash), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
        assert!(check_password(Some((Algorithm::Sha256, &hash)), b"test12"));
    }

    #[test]
    fn only_the_password_itself_is_right() {
        for algorithm in ALL {
            let hash = hash_password(algorithm, b"s3cret");
            assert!(check_password(Some((algorithm, &hash)), b"s3cret"));
            for wrong in [&b"s3cre"[..], b"s3crett", b"S3cret", b""] {
                assert!(!check_password(Some((algorithm, &hash)), wrong), "{algorithm:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn a_blank_password_is_never_right() {
        let hash = hash_password(Algorithm::Sha256, b"");
        assert!(!check_password(Some((Algorithm::Sha256, &hash)), b""));
    }

    #[test]
    fn nobody_and_damaged_hashes_have_no_right_password() {
        assert!(!check_password(None, b"guest"));
        for damaged in [&b""[..], b"\x01", b"\x01\x02\x03\x04", b"\x01\x02\x03\x04digest"] {
            assert!(!check_password(Some((Algorithm::Sha256, damaged)), b"guest"));
        }
    }

    #[test]
    fn salts_differ() {
        let hashes: Vec<_> = (0..4).map(|_| hash_password(Algorithm::Sha256, b"guest")).collect();
        assert!(hashes.iter().any(|hash| *hash != hashes[0]));
    }

    #[test]
    fn text_comes_back_and_wrong_text_is_refused() {
        for algorithm in ALL {
            let hash = hash_password(algorithm, b"pw");
            assert_eq!(decode_hash(algorithm, &encode_hash(&hash)), Ok(hash));
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(decode_hash(Algorithm::Sha256, "not base64!"), Err(HashError::NotBase64));
        assert_eq!(decode_hash(Algorithm::Sha256, "AAAA"), Err(HashError::WrongLength));
        assert_eq!(Algorithm::parse("rabbit_password_hashing_none"), None);
    }
}
