//! Logins of several rounds, by the mechanism that RabbitMQ has to show them: user, challenge, password.

use anyhow::{Context, Result, ensure};

use crate::{
    bad_input::{address, connection_ends, refused},
    report::Report,
    wire::{FRAME_MAX, HEADER, Peer, long},
};

const MECHANISM: &str = "RABBIT-CR-DEMO";
const CHALLENGE: &[u8] = b"Please tell me your password";
const SECURE: (u16, u16) = (10, 20);
const SECURE_OK: (u16, u16) = (10, 21);
/// The capability of a client that can be told that its login is refused.
const TOLD: &[&str] = &["authentication_failure_close"];

/// One case, against the node at an address.
type Case = fn(&str) -> Result<()>;

const CASES: [(&str, Case); 6] = [
    ("a challenge that is answered with the password logs in", accepted),
    ("a challenge that is answered with another password is refused with 403", wrong_password),
    ("a challenge of a user that is not there is answered like any other, and refused with 403", unknown_user),
    ("a challenge that is answered in other words closes the socket without a word", malformed),
    ("secure-ok that answers nothing closes the socket of who is not logged in", out_of_order),
    ("secure-ok on an open connection is refused with 504", too_late),
];

/// Runs all cases against the nodes in turn, if they offer the mechanism.
pub fn run(uris: &[String], report: &mut Report) {
    report.heading("logins of several rounds");
    match address(&uris[0]).and_then(is_offered) {
        Ok(true) => {}
        Ok(false) => return report.skipped("RABBIT-CR-DEMO is not offered"),
        Err(error) => return report.record("connection.start names the mechanisms", Err(error)),
    }
    for (number, (behaviour, case)) in CASES.iter().enumerate() {
        report.record(behaviour, address(&uris[number % uris.len()]).and_then(case));
    }
}

fn is_offered(address: &str) -> Result<bool> {
    let mut peer = Peer::connect(address)?;
    peer.send(&HEADER)?;
    let start = peer.expect((10, 10))?;
    // Two octets of version, a table, and the mechanisms.
    let (_, rest) = cut(start.get(2..).unwrap_or_default())?;
    let (mechanisms, _) = cut(rest)?;
    Ok(mechanisms.split(|octet| *octet == b' ').any(|name| name == MECHANISM.as_bytes()))
}

/// The bytes behind a length of four octets, and what follows them.
fn cut(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>().context("connection.start is cut short")?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length))?).context("connection.start is cut short")
}

/// A peer that has named the user and was asked for the password.
fn challenged(address: &str, user: &[u8]) -> Result<Peer> {
    let mut peer = Peer::connect(address)?;
    peer.start_ok(MECHANISM, user, TOLD)?;
    let challenge = peer.expect(SECURE)?;
    ensure!(challenge == long(CHALLENGE), "challenge {challenge:?}");
    Ok(peer)
}

fn answer(peer: &mut Peer, response: &[u8]) -> Result<()> {
    peer.send_method(0, SECURE_OK, &long(response))
}

fn closes_without_a_word(mut peer: Peer) -> Result<()> {
    let rest = peer.read_to_end()?;
    ensure!(rest.is_empty(), "{} bytes", rest.len());
    Ok(())
}

fn is_refused(mut peer: Peer) -> Result<()> {
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism RABBIT-CR-DEMO. For details see the broker logfile.";
    refused(&peer.expect_close()?, 0, 403, text)?;
    closes_without_a_word(peer)
}

fn accepted(address: &str) -> Result<()> {
    let mut peer = challenged(address, b"guest")?;
    answer(&mut peer, b"My password is guest")?;
    peer.tune_and_open(FRAME_MAX, "/")?;
    peer.expect((10, 41))?;
    peer.open_channel(1)
}

fn wrong_password(address: &str) -> Result<()> {
    let mut peer = challenged(address, b"guest")?;
    answer(&mut peer, b"My password is wrong")?;
    is_refused(peer)
}

fn unknown_user(address: &str) -> Result<()> {
    let mut peer = challenged(address, b"nobody")?;
    answer(&mut peer, b"My password is guest")?;
    is_refused(peer)
}

fn malformed(address: &str) -> Result<()> {
    for response in [&b"guest"[..], b"", b"my password is guest"] {
        let mut peer = challenged(address, b"guest")?;
        answer(&mut peer, response)?;
        closes_without_a_word(peer)?;
    }
    Ok(())
}

fn out_of_order(address: &str) -> Result<()> {
    // Before start-ok.
    let mut peer = Peer::connect(address)?;
    peer.send(&HEADER)?;
    peer.expect((10, 10))?;
    answer(&mut peer, b"My password is guest")?;
    closes_without_a_word(peer)?;
    // A second time.
    let mut peer = challenged(address, b"guest")?;
    answer(&mut peer, b"My password is guest")?;
    peer.expect((10, 30))?;
    answer(&mut peer, b"My password is guest")?;
    closes_without_a_word(peer)?;
    // Another method instead.
    let mut peer = challenged(address, b"guest")?;
    peer.send_method(0, (10, 31), &[0; 8])?;
    closes_without_a_word(peer)
}

fn too_late(address: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    answer(&mut peer, b"My password is guest")?;
    connection_ends(peer, 504, "CHANNEL_ERROR - unexpected method in connection state running")
}
