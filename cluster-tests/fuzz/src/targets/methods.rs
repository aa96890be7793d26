//! One method frame's payload. What is accepted survives a round trip.

use amqp_codec::Method;
use bytes::{Bytes, BytesMut};

use crate::memory;

/// See the module.
pub fn methods(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(method) = memory::bounded(data.len(), 0, || Method::decode(bytes)) else { return };
    let once = encoded(&method);
    let again = Method::decode(once.clone()).expect("we read what we write");
    // As bytes, since a float that is not a number does not equal itself.
    assert_eq!(encoded(&again), once);
}

fn encoded(method: &Method) -> Bytes {
    let mut buf = BytesMut::new();
    method.encode(&mut buf);
    buf.freeze()
}
