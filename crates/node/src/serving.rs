//! Clients are served while the cluster wants this node to: not while it is drained or about to leave, and not when it was removed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use broker::Broker;
use replication::Replication;
use telemetry::{Shutdown, task::TaskKind};
use types::{FieldTable, FieldValue, ShortStr};

use crate::{
    config::{self, Config},
    server::stop_signal,
};

/// How long leaderships may take to go to other nodes at shutdown.
const HAND_OVER: Duration = Duration::from_secs(3);
/// How long clients may take to answer `connection.close` at shutdown.
const GOODBYE: Duration = Duration::from_secs(3);

/// Serves clients until the node is told to stop; then hands over what it leads, and says goodbye.
pub(crate) async fn serve(
    config: &Config,
    broker: &Arc<Broker>,
    replication: &Replication,
    is_serving: &AtomicBool,
    root: &Shutdown,
) -> anyhow::Result<()> {
    let stop = stop_signal(root);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = until(replication, true) => {}
            () = &mut stop => {
                replication.hand_over(HAND_OVER).await;
                return Ok(());
            }
        }
        let listener = listen(config, broker)?;
        is_serving.store(true, Ordering::Relaxed);
        tracing::info!(node = config.node.name, amqp = config.listen.amqp, http = config.listen.http, "node started");
        let clients = root.child();
        let serving = listener.run(clients.clone());
        let serving = telemetry::task::spawn(TaskKind::Background, "amqp listener", serving);
        let is_stopping = tokio::select! {
            () = until(replication, false) => false,
            () = &mut stop => true,
        };
        tracing::info!(is_stopping, "clients are sent to other nodes");
        is_serving.store(false, Ordering::Relaxed);
        if is_stopping {
            // Leaders first, so that others serve on while this node says goodbye to its clients.
            replication.hand_over(HAND_OVER).await;
        }
        clients.request("shutdown");
        if tokio::time::timeout(GOODBYE, serving).await.is_err() {
            tracing::warn!("some clients did not say goodbye in time");
        }
        if is_stopping {
            return Ok(());
        }
    }
}

/// Waits until clients are to be served, or are not to be.
async fn until(replication: &Replication, serves: bool) {
    let mut changes = replication.own_state_changes();
    while replication.own_state().serves_clients() != serves {
        // The sender lives as long as the node.
        changes.changed().await.ok();
    }
}

fn listen(config: &Config, broker: &Arc<Broker>) -> anyhow::Result<amqp_server::Listener> {
    let mut properties = FieldTable::default();
    let text = |text: &str| FieldValue::LongStr(bytes::Bytes::copy_from_slice(text.as_bytes()));
    properties.push(ShortStr::from_static("capabilities"), FieldValue::Table(amqp_connection::server_capabilities()));
    properties.push(ShortStr::from_static("cluster_name"), text(&config.cluster.name));
    properties.push(ShortStr::from_static("product"), text(&config.product.name));
    properties.push(ShortStr::from_static("version"), text(&config.product.version));
    properties.push(ShortStr::from_static("platform"), text("Rust"));
    properties.push(ShortStr::from_static("information"), text("Licensed under the Apache License 2.0"));
    let connection = amqp_connection::Config {
        frame_max: config.limits.frame_max,
        channel_max: config.limits.channel_max,
        heartbeat_s: config.limits.heartbeat_s,
        message_bytes_max: config.limits.message_bytes_max,
        server_properties: properties,
        mechanisms: config.auth.offered()?,
        ..amqp_connection::Config::default()
    };
    let address = config::resolve("listen.amqp", &config.listen.amqp)?;
    let mut settings = amqp_server::Config::new(address, Arc::new(connection));
    settings.connections_max = config.listen.connections_max;
    settings.proxy_protocol_from = config.proxy_protocol.networks()?;
    amqp_server::Listener::bind(settings, Arc::clone(broker))
        .with_context(|| format!("cannot listen for AMQP clients on {address}"))
}
