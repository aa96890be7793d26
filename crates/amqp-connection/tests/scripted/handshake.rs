//! From the first byte to `connection.open-ok`, and every way not to get there.

use amqp_codec::{Method, ReplyCode, methods::connection, protocol_header::Guess};
use amqp_connection::{CloseReason, Config, Event, Tuning};
use bytes::Bytes;
use types::FieldValue;

use crate::client::{Got, Peer, bytes_of, client_properties, raw_frame, short, start_ok, tune_ok};

#[test]
fn a_client_is_led_from_header_to_open_ok() {
    let mut peer = Peer::connected(Config::default());
    peer.obliging = false;
    assert_eq!(peer.send_bytes(b"AMQP\0\0\x09\x01"), []);
    let [Got::Method(0, Method::ConnectionStart(start))] = &peer.got()[..] else { panic!("no start") };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(start.mechanisms, "PLAIN AMQPLAIN");
    assert_eq!(start.locales, "en_US");
    let Some(FieldValue::Table(capabilities)) = start.server_properties.get("capabilities") else { panic!("no table") };
    assert_eq!(capabilities.get("publisher_confirms"), Some(&FieldValue::Bool(true)));

    let login = Event::Login {
        mechanism: short("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        client_properties: client_properties(&["consumer_cancel_notify"]),
    };
    assert_eq!(peer.send(0, &start_ok(&["consumer_cancel_notify"])), [login]);
    assert!(!peer.server.wants_input());
    peer.server.login_ok();
    assert!(peer.server.wants_input());
    let tune = connection::Tune { channel_max: 2047, frame_max: 131_072, heartbeat: 60 };
    assert_eq!(peer.got(), [Got::Method(0, tune.into())]);
    assert_eq!(peer.send(0, &tune_ok(4096, 100, 30)), []);
    assert_eq!(peer.server.tuning(), Tuning { frame_max: 4096, channel_max: 100, heartbeat_s: 30 });
    let open = connection::Open { virtual_host: short("vh") };
    assert_eq!(peer.send(0, &open), [Event::Open { vhost: short("vh") }]);
    assert_eq!(peer.got(), []);
    peer.server.open_ok();
    assert_eq!(peer.got(), [Got::Method(0, connection::OpenOk {}.into())]);
    assert_eq!(peer.server.close_reason(), None);
}

#[test]
fn version_0_9_is_spoken_to_like_0_9_1() {
    let mut peer = Peer::connected(Config::default());
    peer.send_bytes(b"AMQP\x01\x01\0\x09");
    assert!(matches!(peer.got().as_slice(), [Got::Method(0, Method::ConnectionStart(_))]));
}

#[test]
fn another_protocol_gets_a_header_and_is_gone() {
    let strangers = [
        (b"AMQP\0\0\x09\x02", Guess::AmqpOther),
        (b"AMQP\0\x01\0\0", Guess::Amqp10),
        (b"AMQP\x03\x01\0\0", Guess::Amqp10),
        (b"GET / HT", Guess::Http),
        (b"\x16\x03\x01\x02\0\x01\0\x01", Guess::Tls),
        (b"PROXY TC", Guess::Proxy),
        (b"SSH-2.0-", Guess::Unknown),
    ];
    for (header, guess) in strangers {
        let mut peer = Peer::connected(Config::default());
        assert_eq!(peer.send_bytes(&header[..5]), []);
        assert_eq!(peer.send_bytes(&header[5..]), [Event::Closed]);
        let answer = peer.got_bytes();
        assert!(answer.len() == 8 && answer.starts_with(b"AMQP"), "{answer:?}");
        assert!(peer.server.is_closed());
        assert_eq!(peer.server.close_reason(), Some(&CloseReason::Protocol(guess)));
        assert_eq!(peer.send_bytes(b"anything"), []);
        assert_eq!(peer.got_bytes(), "");
    }
}

#[test]
fn sasl_may_take_several_rounds() {
    let mut peer = Peer::started(Config::default());
    peer.obliging = false;
    assert!(matches!(peer.send(0, &start_ok(&[])).as_slice(), [Event::Login { .. }]));
    for round in [b"one", b"two"] {
        peer.server.challenge(Bytes::from_static(round));
        let secure = connection::Secure { challenge: Bytes::from_static(round) };
        assert_eq!(peer.got(), [Got::Method(0, secure.into())]);
        let response = Bytes::from_static(b"answer");
        let events = peer.send(0, &connection::SecureOk { response: response.clone() });
        assert_eq!(events, [Event::LoginResponse { response }]);
    }
    peer.server.login_ok();
    assert!(matches!(peer.got().as_slice(), [Got::Method(0, Method::ConnectionTune(_))]));
}

#[test]
fn a_mechanism_that_was_not_offered_is_refused_without_a_word() {
    for mechanism in ["EXTERNAL", "", "PLAIN AMQPLAIN", "plain"] {
        let mut peer = Peer::started(Config::default());
        let start_ok =
            connection::StartOk { mechanism: short(mechanism), ..start_ok(&["authentication_failure_close"]) };
        assert_eq!(peer.send(0, &start_ok), [Event::Closed]);
        assert_eq!(peer.got(), []);
        assert!(peer.server.is_closed());
        let text = short(&format!("COMMAND_INVALID - unknown authentication mechanism '{mechanism}'"));
        assert_eq!(peer.server.close_reason(), Some(&CloseReason::Server { code: ReplyCode::CommandInvalid, text }));
    }
}

#[test]
fn a_refused_login_is_told_to_clients_that_can_be_told() {
    let mut peer = Peer::started(Config::default());
    peer.obliging = false;
    peer.send(0, &start_ok(&["authentication_failure_close"]));
    peer.server.login_refused();
    assert_eq!(peer.poll(), [Event::Closed]);
    let text = "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    peer.assert_connection_closed(ReplyCode::AccessRefused, text, (0, 0));
}

#[test]
fn a_refused_login_closes_the_socket_of_any_other_client() {
    let mut peer = Peer::started(Config::default());
    peer.obliging = false;
    peer.send(0, &start_ok(&["consumer_cancel_notify"]));
    peer.server.login_refused();
    assert_eq!(peer.poll(), [Event::Closed]);
    assert_eq!(peer.got(), []);
    assert!(peer.server.is_closed());
}

#[test]
fn answers_that_nobody_asked_for_change_nothing() {
    let mut peer = Peer::with_channel();
    peer.server.login_ok();
    peer.server.login_refused();
    peer.server.challenge(Bytes::from_static(b"?"));
    peer.server.open_ok();
    peer.server.release();
    assert_eq!(peer.poll(), []);
    assert_eq!(peer.got(), []);
    assert!(!peer.server.is_closed());
}

#[test]
fn tuned_values_out_of_range_are_refused() {
    let cases = [
        (tune_ok(2048, 1, 0), "negotiated frame_max = 2048 is lower than the minimum allowed value (4096)"),
        (tune_ok(131_073, 1, 0), "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)"),
        (tune_ok(0, 1, 0), "negotiated frame_max = 0 is higher than the maximum allowed value (131072)"),
        (tune_ok(4096, 2048, 0), "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)"),
        (tune_ok(4096, 0, 0), "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"),
    ];
    for (tune_ok, text) in cases {
        let mut peer = Peer::started(Config::default());
        peer.send(0, &start_ok(&[]));
        peer.got();
        assert_eq!(peer.send(0, &tune_ok), [Event::Closed]);
        peer.assert_connection_closed(ReplyCode::NotAllowed, text, (10, 30));
    }
}

#[test]
fn a_server_without_limits_accepts_no_limits() {
    let config = Config { frame_max: 0, channel_max: 0, ..Config::default() };
    let peer = Peer::opened_with(config, &[], tune_ok(0, 0, 0));
    assert_eq!(peer.server.tuning(), Tuning { frame_max: 0, channel_max: 0, heartbeat_s: 0 });
}

#[test]
fn frames_are_limited_to_8_kib_before_tuning() {
    let mut peer = Peer::started(Config::default());
    // As RabbitMQ: the payload may be as large as the frame should be.
    let mut filler = connection::StartOk { response: Bytes::new(), ..start_ok(&[]) };
    let overhead = bytes_of(0, &filler).len();
    filler.response = Bytes::from(vec![0; 8192 + 8 - overhead]);
    peer.send(0, &filler);
    assert!(matches!(peer.got().as_slice(), [Got::Method(0, Method::ConnectionTune(_))]));
    // Too large is seen with the header, and nothing is said before the client is known.
    let mut peer = Peer::started(Config::default());
    assert_eq!(peer.send_bytes(&[1, 0, 0, 0, 0, 0x20, 1]), [Event::Closed]);
    assert_eq!(peer.got(), []);
    assert!(peer.server.is_closed());
}

#[test]
fn methods_out_of_turn_end_the_handshake() {
    let mut peer = Peer::started(Config::default());
    assert_eq!(peer.send(0, &tune_ok(4096, 1, 0)), [Event::Closed]);
    assert!(peer.server.is_closed());
    // From tuning on the client is told.
    let mut peer = Peer::started(Config::default());
    peer.send(0, &start_ok(&[]));
    peer.send(0, &tune_ok(4096, 1, 0));
    peer.got();
    assert_eq!(peer.send(0, &start_ok(&[])), [Event::Closed]);
    peer.assert_connection_closed(ReplyCode::ChannelError, "unexpected method in connection state opening", (10, 11));
}

#[test]
fn channels_are_not_there_before_open() {
    let mut peer = Peer::started(Config::default());
    peer.send(0, &start_ok(&[]));
    peer.send(0, &tune_ok(4096, 1, 0));
    peer.got();
    assert_eq!(peer.send_bytes(&raw_frame(1, 1, &[0, 20, 0, 10, 0])), [Event::Closed]);
    peer.assert_connection_closed(ReplyCode::UnexpectedFrame, "type 1, all octets = <<0,20,0,10,0>>", (0, 0));
}

#[test]
fn a_client_that_does_not_wait_is_served_in_order() {
    let mut peer = Peer::connected(Config::default());
    peer.obliging = false;
    let mut bytes = b"AMQP\0\0\x09\x01".to_vec();
    bytes.extend(bytes_of(0, &start_ok(&[])));
    bytes.extend(bytes_of(0, &tune_ok(131_072, 2047, 0)));
    bytes.extend(bytes_of(0, &connection::Open { virtual_host: short("/") }));
    bytes.extend(bytes_of(1, &amqp_codec::methods::channel::Open {}));
    // This frame is allowed only after the tune-ok before it.
    bytes.extend(raw_frame(1, 1, &[0; 100_000]));
    assert!(matches!(peer.send_bytes(&bytes[..bytes.len() - 50_000]).as_slice(), [Event::Login { .. }]));
    peer.server.login_ok();
    assert!(matches!(peer.poll().as_slice(), [Event::Open { .. }]));
    peer.server.open_ok();
    assert_eq!(peer.poll(), [Event::ChannelOpened { channel: 1 }]);
    assert_eq!(peer.got().len(), 4);
    assert_eq!(peer.send_bytes(&bytes[bytes.len() - 50_000..]), [Event::ChannelClosed { channel: 1 }, Event::Closed]);
    peer.assert_connection_closed(ReplyCode::NotImplemented, "unknown method 0 of class 0", (0, 0));
}

#[test]
fn a_vhost_may_be_refused() {
    let mut peer = Peer::started(Config::default());
    peer.send(0, &start_ok(&[]));
    peer.obliging = false;
    peer.send(0, &tune_ok(4096, 1, 0));
    peer.send(0, &connection::Open { virtual_host: short("nowhere") });
    peer.got();
    peer.server.hard_error(ReplyCode::NotAllowed, "vhost nowhere not found", 10, 40);
    assert_eq!(peer.poll(), [Event::Closed]);
    peer.assert_connection_closed(ReplyCode::NotAllowed, "vhost nowhere not found", (10, 40));
}

#[test]
fn a_handshake_has_its_time() {
    let mut peer = Peer::started(Config::default());
    peer.pass_ms(9_999);
    assert_eq!(peer.timeout(), []);
    peer.pass_ms(1);
    assert_eq!(peer.timeout(), [Event::Closed]);
    assert_eq!(peer.server.close_reason(), Some(&CloseReason::HandshakeTimeout));
    assert_eq!(peer.got(), []);
    assert_eq!(peer.server.next_timeout(), None);
    // Once open, it does not count.
    let mut peer = Peer::opened(Config::default());
    assert_eq!(peer.server.next_timeout(), None);
    peer.pass_ms(100_000);
    assert_eq!(peer.timeout(), []);
    assert!(!peer.server.is_closed());
}
