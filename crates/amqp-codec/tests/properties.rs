//! Round trips of everything that the codec reads and writes; the same against an independent codec; and hostile bytes.

#[path = "properties/generators.rs"]
mod generators;
#[path = "properties/oracle.rs"]
mod oracle;

use std::collections::BTreeSet;

use amq_protocol::{
    frame::{AMQPContentHeader, AMQPFrame},
    types::ChannelId,
};
use amqp_codec::{
    BasicProperties, Method,
    content::{Content, ContentHeader, encode_message},
    frame::{self, FrameKind, RawFrame, decode_frame},
    methods::{MethodInfo, basic},
    properties::{self, PropertiesEdit, PropertiesView},
    segments::Segments,
    table,
};
use bytes::{BufMut, Bytes, BytesMut};
use generators::{Argument, Rules, any_method, damaged};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use types::{FieldTable, FieldValue, ShortStr};

fn encoded_table(table: &FieldTable) -> Bytes {
    let mut buf = BytesMut::new();
    table::encode(table, &mut buf);
    buf.freeze()
}

fn encoded_method(method: &Method) -> Bytes {
    let mut buf = BytesMut::new();
    method.encode(&mut buf);
    buf.freeze()
}

fn method_frame(channel: u16, method: &Method) -> BytesMut {
    let mut buf = BytesMut::new();
    frame::encode_method(&mut buf, channel, method);
    buf
}

fn read_all(buf: &mut BytesMut) -> Vec<RawFrame> {
    std::iter::from_fn(|| decode_frame(buf, 0).expect("what we write is well-formed")).collect()
}

/// Runs a test on some values of each method's strategy, so that none is left to chance.
fn for_each_method(rules: Rules, test: impl Fn(u16, Method) -> Result<(), TestCaseError>) {
    let mut seen = BTreeSet::new();
    for strategy in generators::methods(rules) {
        let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::with_source_file(file!()) });
        let name = std::cell::Cell::new("");
        let cases = (any::<u16>(), strategy);
        let result = runner.run(&cases, |(channel, method)| {
            name.set(method.name());
            test(channel, method)
        });
        if let Err(error) = result {
            panic!("{}: {error}", name.get());
        }
        seen.insert(name.get());
    }
    assert_eq!(seen, MethodInfo::all().map(|info| info.name).collect(), "every method has a strategy");
}

#[test]
fn every_method_is_read_as_it_was_written() {
    for_each_method(Rules::Loose, |channel, method| {
        let frames = read_all(&mut method_frame(channel, &method));
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!((frames[0].kind, frames[0].channel), (FrameKind::Method, channel));
        prop_assert_eq!(&frames[0].payload, &encoded_method(&method));
        prop_assert_eq!(Method::decode(frames[0].payload.clone()), Ok(method));
        Ok(())
    });
}

#[test]
fn every_method_cut_anywhere_or_followed_by_anything_is_refused() {
    for_each_method(Rules::Loose, |_, method| {
        let whole = encoded_method(&method);
        for len in 0..whole.len() {
            prop_assert!(Method::decode(whole.slice(..len)).is_err(), "cut at {}", len);
        }
        let longer = Bytes::from([&whole[..], &[0]].concat());
        prop_assert!(Method::decode(longer).is_err());
        Ok(())
    });
}

#[test]
fn another_codec_reads_and_writes_every_method_like_ours() {
    for_each_method(Rules::Strict, |channel, method| {
        let theirs = AMQPFrame::Method(ChannelId::from(channel), oracle::method(&method));
        prop_assert_eq!(oracle::read_frames(&method_frame(channel, &method)), vec![theirs.clone()]);
        let frames = read_all(&mut BytesMut::from(&oracle::write_frame(&theirs)[..]));
        prop_assert_eq!(frames[0].channel, channel);
        prop_assert_eq!(Method::decode(frames[0].payload.clone()), Ok(method));
        Ok(())
    });
}

proptest! {
    #[test]
    fn tables_are_read_as_they_were_written(tables in vec(FieldTable::any(Rules::Loose), 1..3)) {
        let mut bytes = Bytes::from(tables.iter().map(encoded_table).collect::<Vec<_>>().concat());
        for table in &tables {
            prop_assert_eq!(table::validate(&encoded_table(table)), Ok(()));
            prop_assert_eq!(table::decode(&mut bytes), Ok(table.clone()));
        }
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn every_header_is_found_without_decoding_the_table(table in FieldTable::any(Rules::Loose), other in ShortStr::any(Rules::Loose)) {
        let bytes = encoded_table(&table);
        for name in table.0.iter().map(|(name, _)| name).chain([&other]) {
            let first = table.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            prop_assert_eq!(table::find(&bytes, name.as_bytes()), Ok(first));
        }
    }

    #[test]
    fn every_header_is_found_raw_as_it_would_be_decoded(table in FieldTable::any(Rules::Loose), other in ShortStr::any(Rules::Loose)) {
        let bytes = encoded_table(&table);
        let properties = BasicProperties { headers: Some(table.clone()), priority: Some(3), ..BasicProperties::default() };
        let raw = properties.to_bytes();
        let view = PropertiesView::new(&raw).unwrap();
        let names: Vec<_> = table.0.iter().map(|(name, _)| name).chain([&other]).collect();
        for pair in names.windows(2) {
            let wanted = [pair[0].as_bytes(), pair[1].as_bytes()];
            let expected = [table::find(&bytes, wanted[0]).unwrap(), table::find(&bytes, wanted[1]).unwrap()];
            let found = table::find_raw(&bytes, &wanted).unwrap();
            prop_assert_eq!(&found.map(|value| value.map(|value| value.decode())), &expected);
            let in_view = view.find_headers(&wanted).unwrap();
            prop_assert_eq!(in_view.map(|value| value.map(|value| value.decode())), expected.clone());
            for (value, expected) in found.iter().zip(&expected) {
                let Some((value, expected)) = value.as_ref().zip(expected.as_ref()) else { continue };
                prop_assert_eq!(value.as_i64(), expected.as_i64());
                let items = value.items().map(|items| items.map(|item| item.decode()).collect());
                prop_assert_eq!(items.map(FieldValue::Array), Some(expected.clone()).filter(|_| value.tag() == b'A'));
            }
        }
    }

    #[test]
    fn properties_are_read_as_they_were_written(properties in generators::properties(Rules::Loose)) {
        let raw = properties.to_bytes();
        prop_assert_eq!(properties::validate(&raw), Ok(()));
        let view = PropertiesView::new(&raw).unwrap();
        let seen = BasicProperties {
            content_type: view.content_type(),
            content_encoding: view.content_encoding(),
            headers: view.headers().unwrap(),
            delivery_mode: view.delivery_mode(),
            priority: view.priority(),
            correlation_id: view.correlation_id(),
            reply_to: view.reply_to(),
            expiration: view.expiration(),
            message_id: view.message_id(),
            timestamp: view.timestamp(),
            type_: view.type_(),
            user_id: view.user_id(),
            app_id: view.app_id(),
            cluster_id: view.cluster_id(),
        };
        prop_assert_eq!(&seen, &properties);
        prop_assert_eq!(BasicProperties::decode(raw), Ok(properties));
    }

    #[test]
    fn setting_a_header_changes_nothing_else(
        properties in generators::properties(Rules::Loose),
        name in ShortStr::any(Rules::Loose),
        old in any::<prop::sample::Index>(),
        replace in any::<bool>(),
    ) {
        let old_name = properties.headers.as_ref().filter(|headers| replace && !headers.is_empty());
        let name = old_name.map_or(name, |headers| headers.0[old.index(headers.0.len())].0.clone());
        let value = FieldValue::U32(7);
        let raw = properties::set_header(&properties.to_bytes(), &name, &value).unwrap();
        let mut want = properties;
        let headers = want.headers.get_or_insert_default();
        headers.0.retain(|(other, _)| *other != name);
        headers.push(name, value);
        prop_assert_eq!(BasicProperties::decode(raw), Ok(want));
    }

    #[test]
    fn an_edit_comes_to_the_same_as_changing_what_was_decoded(
        properties in generators::properties(Rules::Loose),
        changes in vec(generators::change(), 0..8),
    ) {
        let raw = properties.to_bytes();
        let mut edit = PropertiesEdit::new(&raw).unwrap();
        let had_headers = properties.headers.is_some();
        let mut want = properties;
        for change in &changes {
            change.make(&mut edit, &mut want);
        }
        // What was set and removed again was never there.
        want.headers = want.headers.filter(|headers| had_headers || !headers.is_empty());
        prop_assert_eq!(edit.finish().unwrap(), want.to_bytes());
    }

    #[test]
    fn another_codec_reads_and_writes_content_headers_like_ours(
        properties in generators::properties(Rules::Strict),
        body_size: u64,
        channel: u16,
    ) {
        let mut buf = BytesMut::new();
        frame::encode_content_header(&mut buf, channel, 60, body_size, &properties.to_bytes());
        let header = AMQPContentHeader { class_id: 60, body_size, properties: oracle::properties(&properties) };
        let theirs = AMQPFrame::Header(ChannelId::from(channel), header);
        prop_assert_eq!(oracle::read_frames(&buf), vec![theirs.clone()]);
        let frames = read_all(&mut BytesMut::from(&oracle::write_frame(&theirs)[..]));
        prop_assert_eq!((frames[0].kind, frames[0].channel), (FrameKind::Header, channel));
        let header = ContentHeader::decode(frames[0].payload.clone()).unwrap();
        prop_assert_eq!((header.class_id, header.body_size), (60, body_size));
        prop_assert_eq!(BasicProperties::decode(header.properties), Ok(properties));
    }

    #[test]
    fn another_codec_reads_whole_messages(
        consumer_tag in ShortStr::any(Rules::Strict),
        delivery_tag: u64,
        properties in generators::properties(Rules::Strict),
        pieces in vec(vec(any::<u8>(), 0..7000), 0..4),
        frame_max in prop_oneof![Just(0_u32), 4096_u32..20_000],
        channel: u16,
    ) {
        let deliver = basic::Deliver { consumer_tag, delivery_tag, ..basic::Deliver::default() };
        let raw = properties.to_bytes();
        let pieces: Vec<Bytes> = pieces.into_iter().map(Bytes::from).collect();
        let content = Content { properties: &raw, body: &pieces };
        let mut buf = BytesMut::new();
        encode_message(&mut buf, channel, frame_max, &deliver.borrowed(), &content);

        let body = pieces.concat();
        let mut frames = oracle::read_frames(&buf).into_iter();
        let method = Method::from(deliver.clone());
        prop_assert_eq!(frames.next(), Some(AMQPFrame::Method(ChannelId::from(channel), oracle::method(&method))));
        let body_size = u64::try_from(body.len()).unwrap();
        let header = AMQPContentHeader { class_id: 60, body_size, properties: oracle::properties(&properties) };
        prop_assert_eq!(frames.next(), Some(AMQPFrame::Header(ChannelId::from(channel), header)));
        let mut got = Vec::new();
        for frame in frames {
            let AMQPFrame::Body(on, payload) = frame else { panic!("only bodies follow") };
            prop_assert_eq!(on, ChannelId::from(channel));
            prop_assert!(!payload.is_empty());
            prop_assert!(frame_max == 0 || payload.len() + 8 <= usize::try_from(frame_max).unwrap());
            got.extend(payload);
        }
        prop_assert_eq!(got, body);

        // The same as segments: the same bytes.
        let mut segments = Segments::new();
        segments.push_message(channel, frame_max, &deliver, &content);
        prop_assert_eq!(segments.len(), buf.len());
        prop_assert_eq!(segments.take().concat(), buf);
    }

    #[test]
    fn frames_come_out_alike_however_the_bytes_came(
        methods in vec((any::<u16>(), any_method(Rules::Loose)), 1..6),
        cuts in vec(1_usize..40, 1..60),
    ) {
        let mut whole = BytesMut::new();
        for (channel, method) in &methods {
            frame::encode_method(&mut whole, *channel, method);
            frame::encode_heartbeat(&mut whole);
        }
        let mut rest = whole.freeze();
        let mut buf = BytesMut::new();
        let mut got = Vec::new();
        for cut in cuts.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            buf.put(rest.split_to(cut.min(rest.len())));
            got.extend(read_all(&mut buf));
        }
        prop_assert!(buf.is_empty());
        prop_assert!(got.iter().skip(1).step_by(2).all(|frame| frame.kind == FrameKind::Heartbeat));
        let got: Vec<_> = got.into_iter().step_by(2).map(|f| (f.channel, Method::decode(f.payload).unwrap())).collect();
        prop_assert_eq!(got, methods);
    }

    #[test]
    fn random_bytes_harm_no_decoder(bytes in vec(any::<u8>(), 0..300)) {
        read_everything(&Bytes::from(bytes));
    }

    #[test]
    fn damaged_methods_harm_no_decoder(bytes in damaged(any_method(Rules::Loose).prop_map(|m| encoded_method(&m).to_vec()))) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_tables_harm_no_decoder(bytes in damaged(FieldTable::any(Rules::Loose).prop_map(|t| encoded_table(&t).to_vec()))) {
        read_everything(&bytes);
    }

    #[test]
    fn tables_that_lie_about_their_lengths_harm_no_decoder(bytes in generators::lying_table()) {
        read_everything(&bytes);
        let properties = [&[0x20, 0][..], &bytes].concat();
        read_everything(&Bytes::from(properties));
    }

    #[test]
    fn damaged_properties_harm_no_decoder(bytes in damaged(generators::properties(Rules::Loose).prop_map(|p| p.to_bytes().to_vec()))) {
        read_everything(&bytes);
    }

    #[test]
    fn damaged_frames_harm_no_decoder(bytes in damaged(any_method(Rules::Loose).prop_map(|m| method_frame(1, &m).to_vec()))) {
        read_everything(&bytes);
    }
}

/// Gives the bytes to all decoders. What one accepts must survive a round trip; those that read the same must agree.
fn read_everything(bytes: &Bytes) {
    let mut buf = BytesMut::from(&bytes[..]);
    while let Ok(Some(frame)) = decode_frame(&mut buf, 4096) {
        assert!(frame.payload.len() <= 4096);
    }
    if let Ok(method) = Method::decode(bytes.clone()) {
        let again = encoded_method(&method);
        // Compared as bytes, since a float that is not a number does not equal itself.
        assert_eq!(encoded_method(&Method::decode(again.clone()).expect("we read what we write")), again);
    }
    let mut rest = bytes.clone();
    let table = table::decode(&mut rest);
    assert_eq!(table::validate(bytes).is_ok(), table.is_ok() && rest.is_empty());
    if let Ok(table) = table {
        let again = encoded_table(&table);
        assert_eq!(encoded_table(&table::decode(&mut again.clone()).expect("we read what we write")), again);
        assert_eq!(table::find(bytes, b"x").is_ok_and(|found| found.is_some()), table.get("x").is_some());
    } else {
        drop(table::find(bytes, b"x"));
    }
    let raw = table::find_raw(bytes, &[b"x", b"CC"]);
    if let Ok([x, _]) = raw {
        assert_eq!(table::find_raw(bytes, &[b"x"]).is_ok_and(|[alone]| alone.is_some()), x.is_some());
    }
    for value in raw.iter().flatten().flatten() {
        assert!(value.as_i64().is_none() || value.decode().as_i64().is_some());
        assert!(value.items().is_none_or(|items| items.count() <= value.as_bytes().len()));
    }
    let properties = BasicProperties::decode(bytes.clone());
    assert_eq!(properties::validate(bytes).is_ok(), properties.is_ok());
    if let Ok(properties) = properties {
        let again = BasicProperties::decode(properties.to_bytes()).expect("we read what we write");
        assert_eq!(again.to_bytes(), properties.to_bytes());
    }
    if let Ok(view) = PropertiesView::new(bytes) {
        assert!(view.find_headers(&[b"x", b"CC"]).is_ok() || view.headers().is_err());
        let mut edit = PropertiesEdit::new(bytes).expect("it can be looked into");
        edit.remove_header(ShortStr::from_static("x")).set_priority(Some(1)).set_expiration(None);
        assert!(edit.finish().is_ok_and(|edited| PropertiesView::new(&edited).is_ok()) || view.headers().is_err());
        drop((view.headers(), view.timestamp(), view.cluster_id(), view.priority(), view.header(b"x")));
    }
    drop(properties::set_header(bytes, &ShortStr::from_static("n"), &FieldValue::Void));
    drop(ContentHeader::decode(bytes.clone()));
}
