//! Who may log in, enter a virtual host, and do what there.

use std::net::{IpAddr, Ipv4Addr};

use amqp_codec::{
    ReplyCode,
    methods::{basic, connection, exchange, queue},
};
use metadata::{Command, Permissions, PutUser, PutVhost, SetPermissions};

use crate::{
    client::{Client, consume, short},
    fake::{Fake, password},
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const REFUSED: &str = "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";

fn put_user(fake: &Fake, name: &str) {
    fake.change(Command::PutUser(PutUser { user: short(name), password: Some(password("pw")), tags: vec![] }));
}

fn permit(fake: &Fake, user: &str, configure: &str, write: &str, read: &str) {
    let permissions = Permissions { configure: configure.into(), write: write.into(), read: read.into() };
    fake.change(Command::SetPermissions(SetPermissions { user: short(user), vhost: short("/"), permissions }));
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let (_fake, broker) = Fake::start();
    for (user, password) in [("guest", "wrong"), ("nobody", "guest")] {
        let mut client = Client::log_in(&broker, user, password, LOOPBACK).await;
        client.expect_connection_error(ReplyCode::AccessRefused, REFUSED).await;
    }
}

#[tokio::test]
async fn a_challenge_is_answered_with_the_password() {
    let (_fake, broker) = Fake::start();
    for (user, password, is_right) in [("guest", "guest", true), ("guest", "wrong", false), ("nobody", "guest", false)]
    {
        let mut client = Client::start(&broker, "RABBIT-CR-DEMO", user, LOOPBACK).await;
        let secure = client.expect::<connection::Secure>().await;
        assert_eq!(secure.challenge, "Please tell me your password");
        client.send(0, connection::SecureOk { response: format!("My password is {password}").into() });
        client.tune().await;
        if is_right {
            client.open_vhost("/").await;
        } else {
            let text = REFUSED.replace("PLAIN", "RABBIT-CR-DEMO");
            client.expect_connection_error(ReplyCode::AccessRefused, &text).await;
        }
    }
}

#[tokio::test]
async fn nobody_is_somebody_where_the_configuration_says_whom() {
    let (_fake, broker) = Fake::start_with(|config| config.anonymous_user = Some(short("guest")));
    let mut client = Client::start(&broker, "ANONYMOUS", "whoever", LOOPBACK).await;
    client.tune().await;
    client.open_vhost("/").await;
    let text = REFUSED.replace("PLAIN", "ANONYMOUS");
    let mut client = Client::start(&broker, "ANONYMOUS", "", ELSEWHERE).await;
    client.expect_connection_error(ReplyCode::AccessRefused, &text).await;
    let (_fake, broker) = Fake::start();
    let mut client = Client::start(&broker, "ANONYMOUS", "", LOOPBACK).await;
    client.expect_connection_error(ReplyCode::AccessRefused, &text).await;
}

#[tokio::test]
async fn guest_may_come_from_this_host_alone() {
    let (fake, broker) = Fake::start();
    let mut client = Client::log_in(&broker, "guest", "guest", ELSEWHERE).await;
    client.expect_connection_error(ReplyCode::AccessRefused, REFUSED).await;
    put_user(&fake, "app");
    permit(&fake, "app", ".*", ".*", ".*");
    let mut client = Client::log_in(&broker, "app", "pw", ELSEWHERE).await;
    client.open_vhost("/").await;
}

#[tokio::test]
async fn a_vhost_must_be_there_and_open_to_the_user() {
    let (fake, broker) = Fake::start();
    let mut client = Client::log_in(&broker, "guest", "guest", LOOPBACK).await;
    client.send(0, connection::Open { virtual_host: short("v") });
    client.expect_connection_error(ReplyCode::NotAllowed, "vhost v not found").await;
    let put = PutVhost { vhost: short("v"), ..PutVhost::default() };
    fake.change(Command::PutVhost(put));
    let mut client = Client::log_in(&broker, "guest", "guest", LOOPBACK).await;
    client.send(0, connection::Open { virtual_host: short("v") });
    client.expect_connection_error(ReplyCode::NotAllowed, "access to vhost 'v' refused for user 'guest'").await;
}

#[tokio::test]
async fn each_operation_needs_its_permissions() {
    let (fake, broker) = Fake::start();
    let mut guest = Client::connect(&broker).await;
    guest.declare("q").await;
    put_user(&fake, "app");
    permit(&fake, "app", "^mine", "^mine", "^mine");
    let bind = queue::Bind { queue: short("mine"), exchange: short("amq.direct"), ..queue::Bind::default() };
    let of_queue = |access: &str| format!("{access} access to queue 'q' in vhost '/' refused for user 'app'");
    let of_exchange =
        |access: &str, name: &str| format!("{access} access to exchange '{name}' in vhost '/' refused for user 'app'");
    let named = || short("q");
    for (method, text) in [
        (queue::Declare { queue: named(), durable: true, ..Default::default() }.into(), of_queue("configure")),
        (queue::Declare { queue: named(), passive: true, ..Default::default() }.into(), of_queue("configure")),
        (queue::Delete { queue: named(), ..Default::default() }.into(), of_queue("configure")),
        (queue::Purge { queue: named(), ..Default::default() }.into(), of_queue("read")),
        (basic::Get { queue: named(), ..Default::default() }.into(), of_queue("read")),
        (consume("q", "c").into(), of_queue("read")),
        (queue::Bind { queue: named(), ..bind.clone() }.into(), of_queue("write")),
        (bind.into(), of_exchange("read", "amq.direct")),
        (
            exchange::Declare { exchange: short("x"), type_: short("direct"), ..Default::default() }.into(),
            of_exchange("configure", "x"),
        ),
    ] {
        let mut client = connect_app(&broker).await;
        let method: amqp_codec::Method = method;
        client.send(1, method);
        client.expect_channel_error(ReplyCode::AccessRefused, &text).await;
    }
    let mut client = connect_app(&broker).await;
    client.publish("", "q", "m");
    client.expect_channel_error(ReplyCode::AccessRefused, &of_exchange("write", "amq.default")).await;
}

#[tokio::test]
async fn a_permission_that_is_taken_away_is_missed_at_once() {
    let (fake, broker) = Fake::start();
    put_user(&fake, "app");
    permit(&fake, "app", ".*", ".*", ".*");
    let mut client = connect_app(&broker).await;
    client.declare("q").await;
    client.publish("", "q", "m");
    permit(&fake, "app", ".*", "^$", ".*");
    client.publish("", "q", "n");
    let text = "write access to exchange 'amq.default' in vhost '/' refused for user 'app'";
    client.expect_channel_error(ReplyCode::AccessRefused, text).await;
}

async fn connect_app(broker: &std::sync::Arc<broker::Broker>) -> Client {
    let mut client = Client::log_in(broker, "app", "pw", LOOPBACK).await;
    client.open_vhost("/").await;
    client.open_channel(1).await;
    client
}
