//! What a client sends to log in, by mechanism, and what operators give as password hashes.

use amqp_codec::table;
use auth::Algorithm;
use bytes::Bytes;

use crate::{input::Input, memory};

/// See the module.
pub fn logins(data: &[u8]) {
    let mut input = Input(data);
    let mechanism = input.byte();
    let response = input.0;
    memory::bounded(response.len(), 0, || match mechanism % 4 {
        0 => plain(response),
        1 => amqplain(response),
        2 => {
            auth::user_name(response).ok();
            auth::challenged_password(response).ok();
        }
        _ => hash(response),
    });
}

fn plain(response: &[u8]) {
    let Ok(credentials) = auth::parse_plain(response) else { return };
    let again = [b"\0", credentials.user.as_bytes(), b"\0", &credentials.password].concat();
    assert_eq!(again, response);
}

/// A field table without its length, as the broker reads it.
fn amqplain(response: &[u8]) {
    let len = u32::try_from(response.len()).expect("an input is short");
    let whole = Bytes::from([&len.to_be_bytes(), response].concat());
    if let Ok(fields) = table::decode(&mut whole.clone()) {
        auth::amqplain_credentials(&fields).ok();
    }
}

fn hash(response: &[u8]) {
    let Ok(text) = std::str::from_utf8(response) else { return };
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Md5] {
        if let Ok(salted) = auth::decode_hash(algorithm, text) {
            let again = auth::decode_hash(algorithm, &auth::encode_hash(&salted));
            assert_eq!(again.expect("we read what we write"), salted);
            auth::check_password(Some((algorithm, &salted)), b"password");
        }
    }
}
