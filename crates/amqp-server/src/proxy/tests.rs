//! Headers as proxies send them, whole and in parts, and what is none.

use super::*;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2.
fn v2(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    [V2, &[0x20 | command, family], &len, content].concat()
}

fn headers() -> Vec<(Vec<u8>, Option<&'static str>)> {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0xC0, 0x00, 0x16, 0x28];
    let mut v6 = [0; 36];
    v6[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    v6[32] = 0xC0;
    let unique_id = [&v4[..], &[0x05, 0, 3, b'a', b'b', b'c']].concat();
    vec![
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 49152 5672\r\n".to_vec(), Some("192.0.2.7:49152")),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 49152 5672\r\n".to_vec(), Some("[2001:db8::7]:49152")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
        (v2(1, 0x11, &v4), Some("192.0.2.7:49152")),
        (v2(1, 0x11, &unique_id), Some("192.0.2.7:49152")),
        (v2(1, 0x21, &v6), Some("[2001:db8::7]:49152")),
        (v2(0, 0x11, &v4), None),
        (v2(0, 0, &[]), None),
        (v2(1, 0x31, &[0; 216]), None),
    ]
}

#[test]
fn headers_are_read_when_they_are_whole_and_what_follows_is_left() {
    for (header, client) in headers() {
        let expected = client.map(|client| client.parse().unwrap());
        for len in 0..header.len() {
            assert!(parse(&header[..len]).unwrap().is_none(), "{header:?} at {len}");
        }
        for behind in [&b""[..], b"AMQP\0\0\x09\x01"] {
            let found = parse(&[&header, behind].concat()).unwrap();
            assert_eq!(found, Some((expected, header.len())));
        }
    }
}

#[test]
fn what_is_no_header_is_refused_at_once() {
    let strangers = [
        b"AMQP\0\0\x09\x01".to_vec(),
        b"GET / HTTP/1.1\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 10.0.0.1 65536 5672\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n".to_vec(),
        b"PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
        // A line that does not end.
        [&b"PROXY UNKNOWN "[..], &[b'x'; 100]].concat(),
        // An unknown version, command, family; too little for the address.
        [V2, &[0x31, 0x11, 0, 0]].concat(),
        v2(7, 0x11, &[0; 12]),
        v2(1, 0x51, &[0; 12]),
        [v2(1, 0x11, &[0; 4]), vec![0; 12]].concat(),
    ];
    for bytes in strangers {
        assert!(matches!(parse(&bytes), Err(ProxyError::Malformed)), "{bytes:?}");
    }
}
