//! The HTTP API as a client sees it: raw requests over loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests; the lint exempts only the test functions themselves")]

use std::{net::SocketAddr, sync::Arc};

use broker::Broker;
use management::{
    BoxFuture, ClientsOf, ClusterOrder, ClusterView, GroupView, NodeView, OrderError, ProcessView, ProductView,
    QueueView, ReplicaView, ResourceLimits, View,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use queue::QueueStats;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;
use types::{GroupId, NodeId, QueueId};

struct Fake {
    reasons: Vec<String>,
}

impl View for Fake {
    fn readiness(&self) -> Result<(), Vec<String>> {
        if self.reasons.is_empty() { Ok(()) } else { Err(self.reasons.clone()) }
    }

    fn queue(&self, vhost: &str, name: &str) -> Option<QueueView> {
        let members = vec!["node1".into(), "node2".into(), "node3".into()];
        let known = vhost == "/" && name == "a/b c";
        known.then(|| QueueView {
            name: name.into(),
            vhost: vhost.into(),
            group: 4,
            leader: Some("node2".into()),
            members,
        })
    }

    fn cluster(&self) -> ClusterView {
        ClusterView {
            node: "node1".into(),
            nodes: vec![NodeView {
                id: 1,
                name: "node1".into(),
                address: "127.0.0.1:25672".into(),
                live: true,
                state: "up",
                replicas: 1,
                leads: vec![0],
            }],
            groups: vec![GroupView {
                id: 0,
                leader: None,
                members: vec!["node1".into()],
                wanted: vec!["node1".into()],
            }],
            waiting: Some("node2 joins".into()),
        }
    }

    fn replicas(&self) -> BoxFuture<Vec<ReplicaView>> {
        Box::pin(async { vec![ReplicaView { group: 4, applied: 17, digest: "00000000000000ab".to_owned() }] })
    }

    fn order(&self, order: ClusterOrder) -> BoxFuture<Result<String, OrderError>> {
        Box::pin(async move {
            match order {
                ClusterOrder::Drain { node } if node == "node1" => Ok("drained".to_owned()),
                ClusterOrder::Decommission { node, force: false } if node == "node1" => {
                    Err(OrderError::Refused("too few".to_owned()))
                }
                ClusterOrder::Decommission { node, force: true } if node == "node1" => Ok("it leaves".to_owned()),
                ClusterOrder::TransferLeader { group: GroupId(3), node } if node == "node1" => {
                    Ok("it leads".to_owned())
                }
                ClusterOrder::Rebalance => Err(OrderError::Unavailable("no majority".to_owned())),
                _ => Err(OrderError::NoSuchNode),
            }
        })
    }

    fn queue_stats(&self, _: GroupId, _: QueueId) -> Option<QueueStats> {
        None
    }

    fn product(&self) -> ProductView {
        ProductView::default()
    }

    fn process(&self) -> ProcessView {
        ProcessView::default()
    }

    fn set_resource_limits(&self, _: ResourceLimits) {}

    fn alarms(&self) -> Vec<String> {
        Vec::new()
    }

    fn clients(&self, _: ClientsOf) -> BoxFuture<Vec<Value>> {
        Box::pin(async { Vec::new() })
    }

    fn close_connection(&self, _: &str, _: &str) -> BoxFuture<bool> {
        Box::pin(async { false })
    }

    fn refresh_metrics(&self) {
        metrics::gauge!("refreshed").set(1.0);
    }
}

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    ended: oneshot::Receiver<bool>,
}

/// Not attached to anything: who is not authenticated never gets there.
fn broker() -> Arc<Broker> {
    Broker::new(broker::Config::new(NodeId(1), 1, 1))
}

async fn start(reasons: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let view = Arc::new(Fake { reasons: reasons.iter().map(ToString::to_string).collect() });
    let prometheus = PrometheusBuilder::new().build_recorder().handle();
    let shutdown = CancellationToken::new();
    let (end, ended) = oneshot::channel();
    let token = shutdown.clone();
    telemetry::spawn(telemetry::TaskKind::Background, "http", async move {
        let served = management::serve(listener, view, broker(), "secret".to_owned(), prometheus, token).await;
        end.send(served.is_ok()).unwrap();
    });
    Server { address, shutdown, ended }
}

async fn send(server: &Server, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

async fn get(server: &Server, path: &str) -> (u16, Value) {
    let (status, head, body) = send(server, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    assert!(head.contains("content-type: application/json"), "{head}");
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn a_running_process_is_live_also_when_it_is_not_ready() {
    let server = start(&["no leader of the metadata group"]).await;
    assert_eq!(get(&server, "/health/live").await, (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn readiness_is_the_views_and_names_every_reason() {
    let ready = start(&[]).await;
    assert_eq!(get(&ready, "/health/ready").await, (200, json!({ "status": "ok" })));

    let waiting = start(&["log disk is stalled", "no leader of group 3"]).await;
    let reasons = json!(["log disk is stalled", "no leader of group 3"]);
    assert_eq!(get(&waiting, "/health/ready").await, (503, json!({ "status": "unavailable", "reasons": reasons })));
}

#[tokio::test]
async fn a_queue_is_found_by_its_percent_encoded_vhost_and_name() {
    let server = start(&[]).await;
    let (status, queue) = get(&server, "/quorate/v1/queues/%2F/a%2Fb%20c").await;
    assert_eq!(status, 200);
    let members = json!(["node1", "node2", "node3"]);
    let expected = json!({ "name": "a/b c", "vhost": "/", "group": 4, "leader": "node2", "members": members });
    assert_eq!(queue, expected);
}

#[tokio::test]
async fn an_unknown_queue_is_404_and_a_name_that_is_not_utf_8_is_400() {
    let server = start(&[]).await;
    let expected = json!({ "error": "no queue 'x' in vhost '/'" });
    assert_eq!(get(&server, "/quorate/v1/queues/%2F/x").await, (404, expected));
    assert_eq!(get(&server, "/quorate/v1/queues/%2F/%ff").await.0, 400);
}

#[tokio::test]
async fn the_cluster_lists_nodes_and_groups() {
    let server = start(&[]).await;
    let (status, cluster) = get(&server, "/quorate/v1/cluster").await;
    assert_eq!(status, 200);
    let nodes = json!([{
        "id": 1, "name": "node1", "address": "127.0.0.1:25672", "live": true, "state": "up", "replicas": 1, "leads": [0],
    }]);
    let groups = json!([{ "id": 0, "leader": null, "members": ["node1"], "wanted": ["node1"] }]);
    assert_eq!(cluster, json!({ "node": "node1", "nodes": nodes, "groups": groups, "waiting": "node2 joins" }));
}

#[tokio::test]
async fn orders_to_the_cluster_are_answered_with_what_was_done_or_why_not() {
    let server = start(&[]).await;
    for (method, path, body, status, expected) in [
        ("POST", "nodes/node1/drain", "", 200, json!({"answer": "drained"})),
        ("POST", "nodes/node1/decommission", r#"{"force":true}"#, 200, json!({"answer": "it leaves"})),
        ("POST", "nodes/node1/decommission", "", 400, json!({"error": "bad_request", "reason": "too few"})),
        ("POST", "nodes/nobody/drain", "", 404, json!({"error": "Object Not Found", "reason": "Not Found"})),
        ("POST", "nodes/node1/explode", "", 404, json!({"error": "Object Not Found", "reason": "Not Found"})),
        ("POST", "rebalance", "", 503, json!({"error": "service_unavailable", "reason": "no majority"})),
        ("PUT", "groups/3/leader", r#"{"node":"node1"}"#, 200, json!({"answer": "it leads"})),
    ] {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} /api/cluster/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secret\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let (answered, _, text) = send(&server, &request).await;
        assert_eq!((answered, serde_json::from_str::<Value>(&text).unwrap()), (status, expected), "{method} {path}");
    }
    let refused = send(&server, "POST /api/cluster/rebalance HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(refused.0, 401);
}

#[tokio::test]
async fn replicas_are_shown_to_administrators_alone() {
    let server = start(&[]).await;
    assert_eq!(get(&server, "/api/quorate/replicas").await.0, 401);
    let request = "GET /api/quorate/replicas HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n\r\n";
    let (status, _, body) = send(&server, request).await;
    let replicas = json!([{ "group": 4, "applied": 17, "digest": "00000000000000ab" }]);
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, replicas));
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_json() {
    let server = start(&[]).await;
    assert_eq!(get(&server, "/nothing").await, (404, json!({ "error": "no such path" })));
    let (status, _, body) = send(&server, "DELETE /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status, 405);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "error": "this method is not supported here" }));
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_sent() {
    let server = start(&[]).await;
    let request = "GET /health/live HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    assert_eq!(send(&server, request).await.0, 413);
}

#[tokio::test]
async fn a_cancelled_token_ends_the_server_in_good_order() {
    let server = start(&[]).await;
    assert_eq!(get(&server, "/health/live").await.0, 200);
    server.shutdown.cancel();
    assert!(server.ended.await.unwrap());
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// The only test that installs a recorder: there is one per process.
#[tokio::test]
async fn a_scrape_shows_refreshed_gauges_and_the_count_of_requests() {
    let prometheus = management::install_recorder().unwrap();
    management::metrics::describe();
    assert!(management::install_recorder().is_err());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let (end, ended) = oneshot::channel();
    let serving = management::serve(
        listener,
        Arc::new(Fake { reasons: Vec::new() }),
        broker(),
        "secret".to_owned(),
        prometheus,
        shutdown.clone(),
    );
    telemetry::spawn(telemetry::TaskKind::Background, "http", async move {
        end.send(serving.await.is_ok()).unwrap();
    });
    let server = Server { address, shutdown, ended };

    let first = send(&server, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(first.0, 200);
    assert!(first.1.contains("content-type: text/plain; version=0.0.4"), "{}", first.1);
    assert!(first.2.contains("refreshed 1"), "{}", first.2);

    let second = send(&server, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(second.2.contains("quorate_http_requests_total{route=\"/metrics\",status=\"200\"} "), "{}", second.2);
    server.shutdown.cancel();
    assert!(server.ended.await.unwrap());
}
