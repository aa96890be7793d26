//! Field tables that are deeper, longer or odder than any application's.

use anyhow::{Context, Result, ensure};

use super::{
    client::{Client, DURABLE, declare},
    field::Field,
};
use crate::wire::{HEADER, Peer, long, short};

/// A recursive reader of such a table would need a stack as deep.
const DEEP: usize = 10_000;
/// What any client may use, and RabbitMQ's clients can read.
const SHALLOW: usize = 50;
/// Levels that fit into `connection.start-ok`, whose frame is limited to 8 KiB.
const DEEP_IN_FIRST_FRAME: usize = 1000;
/// A length of four gibibytes.
const FOUR_GIBIBYTES: [u8; 4] = [0xFF; 4];

pub(super) fn deep_headers(field: &Field<'_>) -> Result<String> {
    headers_are_refused(field, &long(&nested(DEEP, b'F')))
}

pub(super) fn deep_header_arrays(field: &Field<'_>) -> Result<String> {
    headers_are_refused(field, &long(&nested(DEEP, b'A')))
}

pub(super) fn headers_of_four_gibibytes(field: &Field<'_>) -> Result<String> {
    headers_are_refused(field, &FOUR_GIBIBYTES)
}

pub(super) fn deep_arguments(field: &Field<'_>) -> Result<String> {
    arguments_are_refused(field, &long(&nested(DEEP, b'F')))
}

pub(super) fn deep_argument_arrays(field: &Field<'_>) -> Result<String> {
    arguments_are_refused(field, &long(&nested(DEEP, b'A')))
}

pub(super) fn arguments_of_four_gibibytes(field: &Field<'_>) -> Result<String> {
    arguments_are_refused(field, &FOUR_GIBIBYTES)
}

pub(super) fn deep_client_properties(field: &Field<'_>) -> Result<String> {
    client_properties_are_refused(field, &long(&nested(DEEP, b'F')))
}

pub(super) fn client_properties(field: &Field<'_>) -> Result<String> {
    client_properties_are_refused(field, &long(&nested(DEEP_IN_FIRST_FRAME, b'A')))?;
    client_properties_are_refused(field, &long(&nested(DEEP_IN_FIRST_FRAME, b'F')))
}

pub(super) fn properties_of_four_gibibytes(field: &Field<'_>) -> Result<String> {
    client_properties_are_refused(field, &FOUR_GIBIBYTES)
}

pub(super) fn shallow_headers(field: &Field<'_>) -> Result<String> {
    delivered_as_sent(field, "shallow", &[nested(SHALLOW, b'F'), nested(SHALLOW, b'A')].concat())
}

pub(super) fn name_twice_in_headers(field: &Field<'_>) -> Result<String> {
    delivered_as_sent(field, "twice", &[boolean("x", true), boolean("x", false), boolean("x", true)].concat())
}

pub(super) fn name_twice_in_arguments(field: &Field<'_>) -> Result<String> {
    let (mut client, queue) = (field.client(2)?, field.name("twice.queue"));
    let max_length = |value: u32| [short("x-max-length"), vec![b'I'], value.to_be_bytes().to_vec()].concat();
    let arguments = declare(&queue, DURABLE, &[max_length(2), max_length(3)].concat());
    client.peer.send_method(1, (50, 10), &arguments)?;
    client.peer.expect((50, 11))?;
    client.select_confirms()?;
    for _ in 0..5 {
        client.publish("", &queue, b"x")?;
    }
    client.confirmed(1..=5)?;
    // RabbitMQ reads the first of them.
    let depth = client.depth(&queue)?;
    ensure!(depth == 2, "{depth} messages are left with the maxima 2 and 3");
    // The same again is the same queue.
    client.peer.send_method(1, (50, 10), &arguments)?;
    client.peer.expect((50, 11))?;
    client.delete_queue(&queue)?;
    Ok(String::new())
}

/// The entries of a table that holds a table or an array, that holds one, and so on.
fn nested(levels: usize, tag: u8) -> Vec<u8> {
    let name = if tag == b'A' { Vec::new() } else { short("a") };
    let mut inner = Vec::new();
    for _ in 1..levels {
        inner = [name.clone(), vec![tag], long(&inner)].concat();
    }
    [short("a"), vec![tag], long(&inner)].concat()
}

fn boolean(name: &str, value: bool) -> Vec<u8> {
    [short(name), vec![b't', u8::from(value)]].concat()
}

fn headers_are_refused(field: &Field<'_>, table: &[u8]) -> Result<String> {
    let mut client = field.client(1)?;
    client.publish_with_headers("nobody", table)?;
    client.cut_off(502)
}

fn arguments_are_refused(field: &Field<'_>, table: &[u8]) -> Result<String> {
    for (class, arguments) in [
        (50, [vec![0, 0], short("q"), vec![DURABLE]].concat()),
        (40, [vec![0, 0], short("e"), short("direct"), vec![DURABLE]].concat()),
    ] {
        let mut client = field.client(2)?;
        client.peer.send_method(1, (class, 10), &[&arguments, table].concat())?;
        client.cut_off(501)?;
    }
    let mut client = field.client(3)?;
    let consume = [vec![0, 0], short("q"), short("tag"), vec![0]].concat();
    client.peer.send_method(1, (60, 20), &[&consume, table].concat())?;
    client.cut_off(501)
}

/// Whoever is not logged in is told no more than necessary.
fn client_properties_are_refused(field: &Field<'_>, table: &[u8]) -> Result<String> {
    let mut peer = Peer::connect(field.address(3))?;
    peer.send(&HEADER)?;
    peer.expect((10, 10))?;
    let rest = [short("PLAIN"), long(b"\0guest\0guest"), short("en_US")].concat();
    peer.send_method(0, (10, 11), &[table, &rest].concat())?;
    let answer = peer.read_to_end()?;
    ensure!(answer.is_empty(), "answer {answer:?}");
    Ok(String::new())
}

fn delivered_as_sent(field: &Field<'_>, name: &str, entries: &[u8]) -> Result<String> {
    let (mut client, queue) = (field.client(1)?, field.name(name));
    client.declare(&queue)?;
    client.select_confirms()?;
    client.publish_with_headers(&queue, &long(entries))?;
    client.confirmed(1..=1)?;
    let mut other = Client::open(field.address(3))?;
    let (properties, body) = other.get(&queue)?;
    let headers = properties.strip_prefix(&0x2000_u16.to_be_bytes()).context("other properties than headers")?;
    ensure!(headers == long(entries) && body.is_empty(), "the headers came otherwise: {headers:?}");
    client.delete_queue(&queue)?;
    Ok(String::new())
}
