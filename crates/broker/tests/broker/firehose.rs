//! The firehose: copies of what is published and delivered in a traced virtual host.

use amqp_codec::{BasicProperties, Method, methods::queue};
use metadata::{Command, PutVhost};
use types::{FieldTable, FieldValue};

use crate::{
    client::{Client, Heard, short},
    fake::Fake,
};

fn trace(fake: &Fake, tracing: bool) {
    fake.change(Command::PutVhost(PutVhost { vhost: short("/"), tracing: Some(tracing), ..PutVhost::default() }));
}

async fn listener(broker: &std::sync::Arc<broker::Broker>) -> Client {
    let mut listener = Client::connect(broker).await;
    listener.declare("trace").await;
    let bind = queue::Bind {
        queue: short("trace"),
        exchange: short("amq.rabbitmq.trace"),
        routing_key: short("#"),
        ..queue::Bind::default()
    };
    listener.send(1, bind);
    listener.expect::<queue::BindOk>().await;
    listener
}

/// The traces that the listener has got: key, headers, body.
async fn traces(listener: &mut Client) -> Vec<(String, FieldTable, String)> {
    listener.send(1, amqp_codec::methods::basic::Consume { no_ack: true, ..crate::client::consume("trace", "t") });
    let heard = listener.heard_so_far().await;
    let trace = |heard: Heard| match heard.method {
        Method::BasicDeliver(deliver) => Some((
            deliver.routing_key.to_string(),
            heard.properties.headers.unwrap_or_default(),
            String::from_utf8(heard.body.to_vec()).unwrap(),
        )),
        _ => None,
    };
    heard.into_iter().filter_map(trace).collect()
}

fn text(headers: &FieldTable, name: &str) -> String {
    headers.get(name).and_then(FieldValue::as_str).unwrap_or_else(|| panic!("no {name}: {headers:?}")).to_owned()
}

#[tokio::test]
async fn publishes_and_deliveries_of_a_traced_vhost_are_copied() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    let mut listener = listener(&broker).await;
    client.publish("amq.direct", "unseen", "before");
    trace(&fake, true);
    client.consume("q", "c").await;
    let properties = BasicProperties {
        priority: Some(4),
        message_id: Some(short("m-1")),
        headers: Some(FieldTable(vec![(short("own"), FieldValue::Bool(true))])),
        ..BasicProperties::default()
    };
    client.publish_with("", "q", false, &properties, "body");
    client.work();
    client.expect_delivery().await;
    trace(&fake, false);
    client.publish("", "q", "after");
    let traces = traces(&mut listener).await;
    let keys: Vec<_> = traces.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["publish.", "deliver.q"]);
    let (_, published, body) = &traces[0];
    assert_eq!(
        (body.as_str(), text(published, "exchange_name"), text(published, "user")),
        ("body", String::new(), "guest".into())
    );
    let names = |name: &str| published.get(name).cloned();
    let list = |text: &'static str| Some(FieldValue::Array(vec![FieldValue::LongStr(text.into())]));
    assert_eq!((names("routing_keys"), names("routed_queues")), (list("q"), list("q")));
    assert_eq!((names("channel"), text(published, "vhost")), (Some(FieldValue::I32(1)), "/".into()));
    let Some(FieldValue::Table(copied)) = published.get("properties") else { panic!("{published:?}") };
    assert_eq!((copied.get("priority"), text(copied, "message_id")), (Some(&FieldValue::I32(4)), "m-1".into()));
    assert!(matches!(copied.get("headers"), Some(FieldValue::Table(own)) if own.get("own").is_some()));
    let (_, delivered, _) = &traces[1];
    assert_eq!(delivered.get("redelivered"), Some(&FieldValue::I32(0)));
    assert_eq!(text(delivered, "node"), "quorate@1");
}
