//! One method frame's payload. What is accepted survives a round trip.
#![no_main]

use amqp_codec::Method;
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(method) = Method::decode(Bytes::copy_from_slice(data)) else { return };
    let once = encoded(&method);
    let again = Method::decode(once.clone()).expect("we read what we write");
    // As bytes, since a float that is not a number does not equal itself.
    assert_eq!(encoded(&again), once);
});

fn encoded(method: &Method) -> Bytes {
    let mut buf = BytesMut::new();
    method.encode(&mut buf);
    buf.freeze()
}
