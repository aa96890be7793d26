//! Connections that do nothing but stay.

use std::{
    future::poll_fn,
    task::{Context as TaskContext, Poll, ready},
};

use amqp_codec::frame::FrameKind;
use anyhow::Result;

use crate::{
    client::{Client, notice},
    context::{Phase, PhaseWatch},
    heartbeat::Heartbeat,
    link::Link,
};

/// Holds a connection until the run ends.
///
/// # Errors
/// When the broker ends it before.
pub(crate) async fn hold(mut client: Client, mut phase: PhaseWatch) -> Result<()> {
    let mut heartbeat = Heartbeat::new(client.heartbeat_s);
    loop {
        tokio::select! {
            lost = poll_fn(|cx| poll(&mut client.link, cx)) => return lost,
            _ = phase.reached(Phase::End) => break,
            () = heartbeat.due() => heartbeat.beat(&mut client.link)?,
        }
    }
    client.close().await;
    Ok(())
}

/// Passes over what comes; ready only with an error.
fn poll(link: &mut Link, cx: &mut TaskContext<'_>) -> Poll<Result<()>> {
    loop {
        while let Some(frame) = link.input.next_frame()? {
            if frame.kind == FrameKind::Method {
                notice(&frame)?;
            }
        }
        // What the socket does not take now waits in the link.
        link.flush_some(cx)?;
        ready!(link.poll_fill(cx))?;
    }
}
