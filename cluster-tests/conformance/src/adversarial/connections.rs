//! Very many channels, and very many connections that say nothing.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    client::{CHANNEL_MAX, refused},
    field::{Field, within},
};
use crate::wire::HEADER;

const SILENT: usize = 1000;
/// Files that this process and its other clients need besides.
const OTHER_FILES: usize = 100;
/// The broker's patience is ten seconds. The rest is for a busy machine.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// A new client is served meanwhile.
const WELCOME: Duration = Duration::from_secs(5);

pub(super) fn channels(field: &Field<'_>) -> Result<String> {
    let mut client = field.client(3)?;
    for channel in 2..=CHANNEL_MAX {
        client.peer.open_channel(channel)?;
    }
    // Each is a channel.
    client.peer.send_method(CHANNEL_MAX, (20, 40), &[0; 7])?;
    client.peer.expect((20, 41))?;
    client.peer.open_channel(CHANNEL_MAX)?;
    client.peer.send_method(CHANNEL_MAX + 1, (20, 10), &[0])?;
    let close = client.peer.expect_close()?;
    refused(&close, 0, 530)?;
    let text = "NOT_ALLOWED - number of channels opened (2047) has reached the negotiated channel_max (2047)";
    ensure!(close.text == text, "{close:?}");
    Ok(close.text)
}

pub(super) fn silent(field: &Field<'_>) -> Result<String> {
    let count = SILENT.min(files_max()?.saturating_sub(OTHER_FILES));
    let begin = Instant::now();
    let mut streams = Vec::new();
    for number in 0..count {
        let mut stream = TcpStream::connect(field.address(number % 3 + 1)).context("cannot connect")?;
        // Nothing, half a header, half a frame behind a header.
        match number % 3 {
            0 => {}
            1 => stream.write_all(&HEADER[..4])?,
            _ => stream.write_all(&[&HEADER[..], &[1, 0, 0, 0]].concat())?,
        }
        streams.push(stream);
    }
    let ((), welcome) = within(WELCOME, "the login of a new client", || {
        (1..=3).try_for_each(|node| {
            let mut client = field.client(node)?;
            let queue = field.name("welcome");
            client.declare(&queue)?;
            client.delete_queue(&queue)
        })
    })?;
    for mut stream in streams {
        let left = HANDSHAKE.saturating_sub(begin.elapsed()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        // What came before the end is connection.start, or an error.
        stream.read_to_end(&mut Vec::new()).context("a silent client was not sent away")?;
    }
    let took = begin.elapsed().as_secs_f64();
    Ok(format!("{count} clients, sent away after {took:.1} s; new ones were served in {} ms", welcome.as_millis()))
}

/// How many files this process may open.
fn files_max() -> Result<usize> {
    let limits = fs::read_to_string("/proc/self/limits").context("cannot read /proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit of open files")?;
    Ok(line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX))
}
