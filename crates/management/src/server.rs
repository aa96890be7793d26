//! The HTTP server's run: from a bound listener to the end of the last connection.

use std::{convert::Infallible, future::IntoFuture, io, sync::Arc, time::Duration};

use broker::Broker;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    View,
    listener::{BoundedListener, Peer},
    routes::{self, App},
};

/// How often samples of histograms are folded into buckets. Between two scrapes they would otherwise pile up in memory, one
/// word each.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The HTTP server could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The listener failed.
    #[error("http listener failed")]
    Listener(#[source] io::Error),
}

/// Serves the HTTP API. Who sends `token` as bearer is an administrator: it is for whoever can read the node's data directory.
///
/// Until the token is cancelled, then ends connections after the answer under way. A connection lasts ten
/// seconds at most, so that the end is bounded.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    view: Arc<dyn View>,
    broker: Arc<Broker>,
    token: String,
    prometheus: PrometheusHandle,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let app = routes::router(App { view, broker, token: token.into(), prometheus: prometheus.clone() });
    let app = app.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(BoundedListener::new(listener), app)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .into_future();
    tokio::select! {
        served = server => served.map_err(Error::Listener),
        never = keep_up(prometheus) => match never {},
    }
}

async fn keep_up(prometheus: PrometheusHandle) -> Infallible {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        let prometheus = prometheus.clone();
        // Its only failure is a panic, which the runtime has reported; the next round tries again.
        tokio::task::spawn_blocking(move || prometheus.run_upkeep()).await.ok();
    }
}
