//! What a correct client may see or send, but no stock client shows: the order of frames, methods without answers, odd requests.

use std::process;

use anyhow::{Context, Result, bail, ensure};

use crate::{
    bad_input::{address, connection_ends, refused},
    report::Report,
    wire::{BODY, CONTENT_HEADER, FRAME_MAX, Login, Peer, content_header, long, short},
};

/// One case: takes the addresses of two nodes (the same one when there is one), and a name of its own.
type Case = fn(&Site<'_>) -> Result<()>;

/// Where a case runs.
#[derive(Debug)]
struct Site<'a> {
    here: &'a str,
    elsewhere: &'a str,
    name: String,
}

const CASES: [(&str, Case); 24] = [
    ("a frame_max of 4096 is accepted", small_frame_max),
    ("a frame_max below 4096 is refused with 530", tiny_frame_max),
    ("a channel more than channel_max is refused with 530", channel_above_maximum),
    ("AMQPLAIN logs in", amqplain),
    ("what comes after connection.close is ignored, and close-ok comes", close),
    ("channel.flow active=true is answered with flow-ok", flow),
    ("channel.flow active=false is refused with 540", flow_stop),
    ("access.request is granted ticket 1", access),
    ("immediate is refused with 540", immediate),
    ("a consumer tag that is used on the channel is refused with 530", tag_reuse),
    ("an empty consumer tag gets a name that begins with amq.ctag-", generated_tag),
    ("basic.cancel of an unknown tag is answered with cancel-ok", cancel_unknown),
    ("basic.recover-async puts back and is not answered", recover_async),
    ("a mandatory message comes back before its confirm", return_before_confirm),
    ("methods with nowait are done and not answered", nowait),
    ("line ends in a queue's name are left out", line_ends),
    ("who deletes a queue that it consumes gets delete-ok before basic.cancel", delete_before_cancel),
    ("a client without consumer_cancel_notify is not told when its queue is deleted", cancel_unspoken),
    ("the deliveries of a queue begin after consume-ok", consume_before_deliver),
    ("a cancelled consumer gets nothing after cancel-ok", nothing_after_cancel),
    ("an exclusive queue is gone on all nodes when close-ok comes", exclusive_gone_with_close_ok),
    ("an exclusive queue is gone on all nodes when the node closes its connection", exclusive_gone_with_close),
    ("an auto-delete queue is gone on all nodes when cancel-ok comes", auto_delete_gone_with_cancel_ok),
    ("connection.update-secret is answered with update-secret-ok", update_secret),
];

/// Runs all cases against the nodes in turn.
pub fn run(uris: &[String], report: &mut Report) {
    report.heading("edges");
    // The names of an earlier run against the same nodes are others.
    let run = process::id();
    for (number, (behaviour, case)) in CASES.iter().enumerate() {
        let site = |uris: &[String]| -> Result<()> {
            let here = address(&uris[number % uris.len()])?;
            let elsewhere = address(&uris[(number + 1) % uris.len()])?;
            case(&Site { here, elsewhere, name: format!("edges.{run}.{number}") })
        };
        report.record(behaviour, site(uris));
    }
}

/// Bits of queue.declare.
const PASSIVE: u8 = 1;
const EXCLUSIVE: u8 = 4;
const AUTO_DELETE: u8 = 8;
const NOWAIT: u8 = 16;

fn declare(peer: &mut Peer, queue: &str, bits: u8) -> Result<()> {
    peer.send_method(1, (50, 10), &[vec![0, 0], short(queue), vec![bits], long(&[])].concat())
}

fn declared(peer: &mut Peer, queue: &str, bits: u8) -> Result<()> {
    declare(peer, queue, bits)?;
    peer.expect((50, 11)).map(drop)
}

/// basic.consume; bits: no-local 1, no-ack 2, exclusive 4, nowait 8.
fn consume(peer: &mut Peer, queue: &str, tag: &str, bits: u8) -> Result<()> {
    peer.send_method(1, (60, 20), &[vec![0, 0], short(queue), short(tag), vec![bits], long(&[])].concat())
}

fn cancel(peer: &mut Peer, tag: &str) -> Result<()> {
    peer.send_method(1, (60, 30), &[short(tag), vec![0]].concat())
}

fn delete(peer: &mut Peer, queue: &str) -> Result<()> {
    peer.send_method(1, (50, 40), &[vec![0, 0], short(queue), vec![0]].concat())
}

fn publish(peer: &mut Peer, queue: &str, body: &[u8]) -> Result<()> {
    peer.send_publish(1, "", queue, u64::try_from(body.len())?)?;
    peer.send_frame(BODY, 1, body)
}

/// Takes a delivery: the method (and so checks it), the content header and one body frame. Returns the body.
fn delivery(peer: &mut Peer, method: (u16, u16)) -> Result<Vec<u8>> {
    peer.expect(method)?;
    peer.read_frame()?.context("no content header")?;
    Ok(peer.read_frame()?.context("no body")?.payload)
}

/// That nothing was on the way: the next answer is that of a method which changes nothing.
fn nothing_else(peer: &mut Peer) -> Result<()> {
    peer.send_method(1, (60, 10), &[0, 0, 0, 0, 0, 0, 0])?;
    peer.expect((60, 11)).map(drop).context("something came that was not to come")
}

fn gone(address: &str, queue: &str) -> Result<()> {
    let mut peer = Peer::open(address)?;
    declare(&mut peer, queue, PASSIVE)?;
    refused(&peer.expect_close()?, 1, 404, &format!("NOT_FOUND - no queue '{queue}' in vhost '/'"))
}

fn small_frame_max(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::connect(site.here)?;
    peer.log_in(Login::default())?;
    peer.tune_and_open(4096, "/")?;
    peer.expect((10, 41))?;
    peer.open_channel(1)?;
    declared(&mut peer, &site.name, EXCLUSIVE)?;
    // Two body frames, each of the most that fits.
    peer.send_publish(1, "", &site.name, 8176)?;
    peer.send_frame(BODY, 1, &[1; 4088])?;
    peer.send_frame(BODY, 1, &[2; 4088])?;
    consume(&mut peer, &site.name, "c", 2)?;
    peer.expect((60, 21))?;
    let first = delivery(&mut peer, (60, 60))?;
    let second = peer.read_frame()?.context("no second body frame")?;
    ensure!(first.len() + second.payload.len() == 8176, "frames of {} and {}", first.len(), second.payload.len());
    Ok(())
}

fn tiny_frame_max(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::connect(site.here)?;
    peer.log_in(Login::default())?;
    peer.tune_and_open(2048, "/")?;
    let close = peer.expect_close()?;
    let text = "NOT_ALLOWED - negotiated frame_max = 2048 is lower than the minimum allowed value (4096)";
    refused(&close, 0, 530, text)
}

fn channel_above_maximum(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    // This peer's tune-ok says 16 channels, and channel 1 is open.
    for channel in 2..=16 {
        peer.open_channel(channel)?;
    }
    peer.send_method(17, (20, 10), &[0])?;
    let text = "NOT_ALLOWED - number of channels opened (16) has reached the negotiated channel_max (16)";
    refused(&peer.expect_close()?, 0, 530, text)
}

fn amqplain(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::connect(site.here)?;
    let field = |name, value: &str| [short(name), vec![b'S'], long(value.as_bytes())].concat();
    // A table without its length.
    peer.start_ok("AMQPLAIN", &[field("LOGIN", "guest"), field("PASSWORD", "guest")].concat(), &[])?;
    peer.tune_and_open(FRAME_MAX, "/")?;
    peer.expect((10, 41)).map(drop)
}

fn close(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(0, (10, 50), &[vec![0, 200], short("bye"), vec![0, 0, 0, 0]].concat())?;
    // What comes after close is to be ignored.
    peer.send_method(1, (60, 199), &[])?;
    peer.expect((10, 51)).map(drop)
}

fn flow(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(1, (20, 20), &[1])?;
    let arguments = peer.expect((20, 21))?;
    ensure!(arguments == [1], "flow-ok {arguments:?}");
    Ok(())
}

fn flow_stop(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(1, (20, 20), &[0])?;
    connection_ends(peer, 540, "NOT_IMPLEMENTED - active=false")
}

fn access(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(1, (30, 10), &[short("/data"), vec![0b1_1111]].concat())?;
    let ticket = peer.expect((30, 11))?;
    ensure!(ticket == [0, 1], "ticket {ticket:?}");
    Ok(())
}

fn immediate(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(1, (60, 40), &[vec![0, 0], short(""), short("q"), vec![2]].concat())?;
    peer.send_frame(CONTENT_HEADER, 1, &content_header(60, 0))?;
    connection_ends(peer, 540, "NOT_IMPLEMENTED - immediate=true")
}

fn tag_reuse(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    declared(&mut peer, &site.name, EXCLUSIVE)?;
    consume(&mut peer, &site.name, "mine", 0)?;
    peer.expect((60, 21))?;
    consume(&mut peer, &site.name, "mine", 0)?;
    connection_ends(peer, 530, "NOT_ALLOWED - attempt to reuse consumer tag 'mine'")
}

fn generated_tag(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    declared(&mut peer, &site.name, EXCLUSIVE)?;
    consume(&mut peer, &site.name, "", 0)?;
    let tag = peer.expect((60, 21))?;
    ensure!(tag.get(1..).is_some_and(|tag| tag.starts_with(b"amq.ctag-")), "{:?}", String::from_utf8_lossy(&tag));
    Ok(())
}

fn cancel_unknown(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    cancel(&mut peer, "nobody")?;
    let tag = peer.expect((60, 31))?;
    ensure!(tag == short("nobody"), "cancel-ok {tag:?}");
    Ok(())
}

fn recover_async(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    declared(&mut peer, &site.name, EXCLUSIVE)?;
    publish(&mut peer, &site.name, b"m")?;
    consume(&mut peer, &site.name, "c", 0)?;
    peer.expect((60, 21))?;
    delivery(&mut peer, (60, 60))?;
    peer.send_method(1, (60, 100), &[1])?;
    // The next that comes is the message, with the flag; there is no recover-ok.
    let deliver = peer.expect((60, 60))?;
    ensure!(deliver.get(2 + 8) == Some(&1), "not redelivered: {deliver:?}");
    Ok(())
}

fn return_before_confirm(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(1, (85, 10), &[0])?;
    peer.expect((85, 11))?;
    peer.send_method(1, (60, 40), &[vec![0, 0], short(""), short(&site.name), vec![1]].concat())?;
    peer.send_frame(CONTENT_HEADER, 1, &content_header(60, 4))?;
    peer.send_frame(BODY, 1, b"back")?;
    let body = delivery(&mut peer, (60, 50))?;
    ensure!(body == b"back", "body {body:?}");
    let ack = peer.expect((60, 80))?;
    ensure!(ack == [0, 0, 0, 0, 0, 0, 0, 1, 0], "ack {ack:?}");
    Ok(())
}

fn nowait(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    let exchange = format!("{}.x", site.name);
    let (x, q) = (short(&exchange), short(&site.name));
    declare(&mut peer, &site.name, EXCLUSIVE | NOWAIT)?;
    peer.send_method(1, (40, 10), &[&[0, 0][..], &x, &short("fanout"), &[0b1_0100], &long(&[])].concat())?;
    peer.send_method(1, (50, 20), &[&[0, 0][..], &q, &x, &short(""), &[1], &long(&[])].concat())?;
    peer.send_method(1, (40, 30), &[&[0, 0][..], &x, &short("amq.fanout"), &short(""), &[1], &long(&[])].concat())?;
    peer.send_method(1, (40, 40), &[&[0, 0][..], &x, &short("amq.fanout"), &short(""), &[1], &long(&[])].concat())?;
    peer.send_method(1, (85, 10), &[1])?;
    consume(&mut peer, &site.name, "c", 8)?;
    peer.send_publish(1, &exchange, "", 1)?;
    peer.send_frame(BODY, 1, b"m")?;
    // The delivery and the confirm, in whichever order.
    let mut seen = [false; 2];
    for _ in 0..2 {
        let frame = peer.read_frame()?.context("the socket was closed")?;
        match frame.payload.get(..4) {
            Some([0, 60, 0, 60]) => {
                seen[0] = true;
                peer.read_frame()?;
                peer.read_frame()?;
            }
            Some([0, 60, 0, 80]) => seen[1] = true,
            other => bail!("{other:?} instead of a delivery or a confirm"),
        }
    }
    ensure!(seen == [true; 2], "delivered and confirmed: {seen:?}");
    peer.send_method(1, (60, 30), &[short("c"), vec![1]].concat())?;
    peer.send_method(1, (50, 30), &[&[0, 0][..], &q, &[1]].concat())?;
    peer.send_method(1, (50, 40), &[&[0, 0][..], &q, &[4]].concat())?;
    peer.send_method(1, (40, 20), &[&[0, 0][..], &x, &[2]].concat())?;
    nothing_else(&mut peer)
}

fn line_ends(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    declare(&mut peer, &format!("{}\r\n", site.name), EXCLUSIVE)?;
    let declared = peer.expect((50, 11))?;
    ensure!(declared.starts_with(&short(&site.name)), "{:?}", String::from_utf8_lossy(&declared));
    Ok(())
}

fn delete_before_cancel(site: &Site<'_>) -> Result<()> {
    for bits in [EXCLUSIVE, 2] {
        let mut peer = Peer::open_with(site.here, &["consumer_cancel_notify"])?;
        declared(&mut peer, &site.name, bits)?;
        consume(&mut peer, &site.name, "c", 0)?;
        peer.expect((60, 21))?;
        delete(&mut peer, &site.name)?;
        peer.expect((50, 41)).context("delete-ok is not the first answer")?;
    }
    Ok(())
}

fn cancel_unspoken(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    // Transient: bits 0.
    declared(&mut peer, &site.name, 0)?;
    consume(&mut peer, &site.name, "c", 0)?;
    peer.expect((60, 21))?;
    let mut other = Peer::open(site.elsewhere)?;
    delete(&mut other, &site.name)?;
    other.expect((50, 41))?;
    nothing_else(&mut peer)
}

fn consume_before_deliver(site: &Site<'_>) -> Result<()> {
    for number in 0..5 {
        let name = format!("{}.{number}", site.name);
        let mut peer = Peer::open(site.here)?;
        declared(&mut peer, &name, EXCLUSIVE)?;
        let mut other = Peer::open(site.elsewhere)?;
        for _ in 0..20 {
            publish(&mut other, &name, b"m")?;
        }
        nothing_else(&mut other)?;
        consume(&mut peer, &name, "c", 0)?;
        peer.expect((60, 21))?;
        delivery(&mut peer, (60, 60))?;
    }
    Ok(())
}

fn nothing_after_cancel(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    declared(&mut peer, &site.name, EXCLUSIVE)?;
    consume(&mut peer, &site.name, "c", 2)?;
    peer.expect((60, 21))?;
    for _ in 0..50 {
        publish(&mut peer, &site.name, b"m")?;
    }
    cancel(&mut peer, "c")?;
    // Deliveries on the way are fine until cancel-ok.
    loop {
        let frame = peer.read_frame()?.context("the socket was closed")?;
        if frame.kind == 1 && frame.payload.starts_with(&[0, 60, 0, 31]) {
            break;
        }
    }
    publish(&mut peer, &site.name, b"m")?;
    nothing_else(&mut peer)?;
    nothing_else(&mut peer)
}

fn exclusive_gone_with_close_ok(site: &Site<'_>) -> Result<()> {
    for _ in 0..5 {
        let mut peer = Peer::open(site.here)?;
        declared(&mut peer, &site.name, EXCLUSIVE)?;
        peer.send_method(0, (10, 50), &[vec![0, 200], short("bye"), vec![0, 0, 0, 0]].concat())?;
        peer.expect((10, 51))?;
        gone(site.here, &site.name)?;
        gone(site.elsewhere, &site.name)?;
    }
    Ok(())
}

fn exclusive_gone_with_close(site: &Site<'_>) -> Result<()> {
    for _ in 0..5 {
        let mut peer = Peer::open(site.here)?;
        declared(&mut peer, &site.name, EXCLUSIVE)?;
        // channel.flow that is not implemented costs the connection.
        peer.send_method(1, (20, 20), &[0])?;
        peer.expect_close()?;
        gone(site.here, &site.name)?;
        gone(site.elsewhere, &site.name)?;
    }
    Ok(())
}

fn auto_delete_gone_with_cancel_ok(site: &Site<'_>) -> Result<()> {
    for durable in [0, 2] {
        let mut peer = Peer::open(site.here)?;
        declared(&mut peer, &site.name, AUTO_DELETE | durable)?;
        consume(&mut peer, &site.name, "c", 0)?;
        peer.expect((60, 21))?;
        cancel(&mut peer, "c")?;
        peer.expect((60, 31))?;
        gone(site.here, &site.name)?;
        gone(site.elsewhere, &site.name)?;
    }
    Ok(())
}

fn update_secret(site: &Site<'_>) -> Result<()> {
    let mut peer = Peer::open(site.here)?;
    peer.send_method(0, (10, 70), &[long(b"guest"), short("renewed")].concat())?;
    peer.expect((10, 71)).map(drop)
}
