//! Bytes that no client library sends: each gets the reply code and text that RabbitMQ gives, and costs nobody else anything.

use anyhow::{Result, ensure};

use crate::{
    bystander::Bystander,
    report::Report,
    wire::{BODY, CONTENT_HEADER, Close, FRAME_MAX, HEADER, Login, METHOD, Peer, content_header, long, short},
};

/// One case: takes a node's address, does something wrong, checks the answer.
type Case = fn(&str) -> Result<()>;

const CASES: [(&str, Case); 19] = [
    ("a protocol header of another 0-9 revision is answered with 0-9-1", header_of_another_revision),
    ("bytes that are no AMQP are answered with the header of 0-9-1", no_header),
    ("a wrong password is refused with 403 when the client can be told", wrong_password),
    ("a wrong password closes the socket when the client cannot be told", wrong_password_unspoken),
    ("an unknown vhost is refused with 530", unknown_vhost),
    ("a frame over frame_max is refused with 501", frame_too_large),
    ("a frame of four gibibytes is refused with 501 before it is sent", frame_of_four_gibibytes),
    ("a frame without its end octet is refused with 501", frame_without_end),
    ("a frame of unknown type is refused with 501", unknown_frame_type),
    ("an unknown method is refused with 540", unknown_method),
    ("a method whose arguments are cut short is refused with 501", arguments_cut_short),
    ("a method on a channel that is not open is refused with 504", channel_not_open),
    ("a channel opened twice is refused with 504", channel_opened_twice),
    ("a body without a publish is refused with 505", body_without_publish),
    ("a content header of another class is refused with 505", header_of_another_class),
    ("a body longer than announced is refused with 501", body_too_long),
    ("an unknown exchange closes the channel with 404, and the connection goes on", unknown_exchange),
    ("an unknown delivery tag closes the channel with 406", unknown_delivery_tag),
    ("noise behind a valid login does no harm", noise),
];

/// Runs all cases against the nodes in turn, while another client uses the cluster and must not notice.
///
/// # Errors
/// When the other client cannot begin.
pub fn run(uris: &[String], report: &mut Report) -> Result<()> {
    report.heading("bad input");
    let bystander = Bystander::start(uris)?;
    for (number, (behaviour, case)) in CASES.iter().enumerate() {
        let uri = &uris[number % uris.len()];
        report.record(behaviour, address(uri).and_then(case));
    }
    report.record("another client of the same nodes never notices", bystander.finish());
    Ok(())
}

/// `host:port` of a URI.
pub(crate) fn address(uri: &str) -> Result<&str> {
    let address = uri.rsplit_once('@').and_then(|(_, rest)| rest.split('/').next());
    ensure!(address.is_some(), "{uri} is not amqp://user:password@host:port/vhost");
    Ok(address.unwrap_or_default())
}

/// The close is of that channel, code and text.
pub(crate) fn refused(close: &Close, channel: u16, code: u16, text: &str) -> Result<()> {
    let as_expected = close.channel == channel && close.code == code && close.text == text;
    ensure!(as_expected, "{close:?} instead of {code} {text:?}");
    Ok(())
}

/// The connection is closed with that code and text, and then the socket.
pub(crate) fn connection_ends(mut peer: Peer, code: u16, text: &str) -> Result<()> {
    refused(&peer.expect_close()?, 0, code, text)?;
    let rest = peer.read_to_end()?;
    ensure!(rest.is_empty(), "{} bytes after close", rest.len());
    Ok(())
}

fn header_of_another_revision(address: &str) -> Result<()> {
    let mut peer = Peer::connect(address)?;
    peer.send(b"AMQP\0\0\x09\x02")?;
    let answer = peer.read_to_end()?;
    ensure!(answer == HEADER, "answer {answer:?}");
    Ok(())
}

fn no_header(address: &str) -> Result<()> {
    let mut peer = Peer::connect(address)?;
    peer.send(b"\x16\x03\x01\x02\0\x01\0\x01")?;
    let answer = peer.read_to_end()?;
    ensure!(answer == HEADER, "answer {answer:?}");
    Ok(())
}

fn wrong_password(address: &str) -> Result<()> {
    let mut peer = Peer::connect(address)?;
    peer.log_in(Login { password: "wrong", ..Login::default() })?;
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                For details see the broker logfile.";
    connection_ends(peer, 403, text)
}

fn wrong_password_unspoken(address: &str) -> Result<()> {
    let mut peer = Peer::connect(address)?;
    peer.log_in(Login { password: "wrong", told_of_refusal: false })?;
    let rest = peer.read_to_end()?;
    ensure!(rest.is_empty(), "{} bytes before the end", rest.len());
    Ok(())
}

fn unknown_vhost(address: &str) -> Result<()> {
    let mut peer = Peer::connect(address)?;
    peer.log_in(Login::default())?;
    peer.tune_and_open(FRAME_MAX, "nowhere")?;
    connection_ends(peer, 530, "NOT_ALLOWED - vhost nowhere not found")
}

fn frame_too_large(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_publish(1, "", "q", 10_000)?;
    peer.send_frame(BODY, 1, &[0; 10_000])?;
    connection_ends(peer, 501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,10000,8184}")
}

fn frame_of_four_gibibytes(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send(&[METHOD, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF])?;
    connection_ends(peer, 501, "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4294967295,8184}")
}

fn frame_without_end(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send(&[METHOD, 0, 1, 0, 0, 0, 4, 0, 20, 0, 40, 0xCD])?;
    let text = "FRAME_ERROR - type 1, all octets = <<0,20,0,40>>: {invalid_frame_end_marker,205}";
    connection_ends(peer, 501, text)
}

fn unknown_frame_type(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_frame(7, 1, b"seven")?;
    connection_ends(peer, 501, "FRAME_ERROR - type 7, all octets = <<\"seven\">>: unknown_frame")
}

fn unknown_method(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(1, (60, 199), &[])?;
    // RabbitMQ closes the socket without a word.
    connection_ends(peer, 540, "NOT_IMPLEMENTED - unknown method 199 of class 60")
}

fn arguments_cut_short(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(1, (50, 10), &[0, 0, 9, b'q'])?;
    connection_ends(peer, 501, "FRAME_ERROR - cannot decode <<0,0,9,113>>")
}

fn channel_not_open(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(5, (60, 10), &[0, 0, 0, 0, 0, 1, 0])?;
    connection_ends(peer, 504, "CHANNEL_ERROR - expected 'channel.open'")
}

fn channel_opened_twice(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(1, (20, 10), &[0])?;
    connection_ends(peer, 504, "CHANNEL_ERROR - second 'channel.open' seen")
}

fn body_without_publish(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_frame(BODY, 1, b"body")?;
    connection_ends(peer, 505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead")
}

fn header_of_another_class(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(1, (60, 40), &[vec![0, 0], short(""), short("q"), vec![0]].concat())?;
    peer.send_frame(CONTENT_HEADER, 1, &content_header(50, 4))?;
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead";
    connection_ends(peer, 505, text)
}

fn body_too_long(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_publish(1, "", "q", 4)?;
    peer.send_frame(BODY, 1, b"too long")?;
    // RabbitMQ waits for the rest for ever.
    connection_ends(peer, 501, "FRAME_ERROR - content body frame exceeds remaining content size")
}

fn unknown_exchange(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_publish(1, "nowhere", "key", 4)?;
    peer.send_frame(BODY, 1, b"body")?;
    let close = peer.expect_close()?;
    refused(&close, 1, 404, "NOT_FOUND - no exchange 'nowhere' in vhost '/'")?;
    ensure!(close.method == (60, 40), "method {:?} is blamed", close.method);
    // Passive declare of an exchange that is there, on a channel of the same connection.
    peer.open_channel(2)?;
    peer.send_method(2, (40, 10), &[vec![0, 0], short("amq.direct"), short("direct"), vec![1], long(&[])].concat())?;
    peer.expect((40, 11)).map(drop)
}

fn unknown_delivery_tag(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    peer.send_method(1, (60, 80), &[&82_u64.to_be_bytes()[..], &[0]].concat())?;
    let close = peer.expect_close()?;
    refused(&close, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 82")
}

/// Some hundred bytes from a small generator after a valid login, on many connections.
fn noise(address: &str) -> Result<()> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..50 {
        let mut peer = Peer::open(address)?;
        let mut bytes = Vec::new();
        for _ in 0..64 {
            // xorshift64: any fixed sequence would do.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        peer.send(&bytes)?;
        peer.read_frame()?;
    }
    Peer::open(address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_taken_from_the_uri() {
        assert_eq!(address("amqp://guest:guest@127.0.0.1:5672/%2F").unwrap(), "127.0.0.1:5672");
        assert!(address("127.0.0.1:5672").is_err());
    }
}
