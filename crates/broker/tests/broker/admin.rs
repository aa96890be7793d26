//! What operators do to queues, while leaders change.

use amqp_codec::methods::queue;
use broker::AdminError;
use replication::Metadata;

use crate::{
    client::{Client, short},
    fake::Fake,
};

#[tokio::test]
async fn a_deletion_that_is_refused_is_refused_though_the_answer_was_lost() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    client.heard_so_far().await;
    let id = Metadata::read(&*fake).queue(b"/", b"q").unwrap().id;
    fake.hold();
    let lose = async {
        client.heard_so_far().await;
        fake.release_without_answers();
    };
    let (refused, ()) = tokio::join!(broker.delete_queue(id, false, true), lose);
    assert!(matches!(refused, Err(AdminError::Refused { code: 406, .. })), "{refused:?}");
    client.send(1, queue::Declare { queue: short("q"), passive: true, ..queue::Declare::default() });
    assert_eq!(client.expect::<queue::DeclareOk>().await.message_count, 1);
}

#[tokio::test]
async fn a_purge_whose_answer_was_lost_drops_nothing_that_came_since() {
    let (fake, broker) = Fake::start();
    let mut client = Client::connect(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "old");
    client.heard_so_far().await;
    let id = Metadata::read(&*fake).queue(b"/", b"q").unwrap().id;
    fake.hold();
    let lose = async {
        client.heard_so_far().await;
        let applied = fake.apply_held();
        client.publish("", "q", "new");
        client.heard_so_far().await;
        fake.answers_are_lost(applied);
    };
    let (purged, ()) = tokio::join!(broker.purge_queue(id), lose);
    assert_eq!(purged, Ok(0));
    client.send(1, queue::Declare { queue: short("q"), passive: true, ..queue::Declare::default() });
    assert_eq!(client.expect::<queue::DeclareOk>().await.message_count, 1);
}
