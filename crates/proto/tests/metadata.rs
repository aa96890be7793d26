//! Metadata commands and snapshots survive the way to bytes and back.

#[path = "../../metadata/tests/behaviour/generate.rs"]
mod generate;

use bytes::Bytes;
use metadata::{Command, DeclareExchange, Machine};
use proptest::{collection::vec, prelude::*};
use prost::Message;
use proto::{
    generated::metadata as wire,
    metadata::{decode_command, decode_snapshot, encode_command, encode_snapshot},
};
use types::{FieldTable, FieldValue, GroupId, ShortStr, Timestamp};

fn replay(machine: &mut Machine, commands: &[Command], first: usize) {
    for (at, command) in commands.iter().enumerate() {
        machine.apply(command, Timestamp(u64::try_from(first + at).expect("lengths fit in 64 bits")));
    }
}

fn declare(arguments: FieldTable) -> Command {
    Command::DeclareExchange(DeclareExchange {
        vhost: ShortStr::from_static("/"),
        name: ShortStr::from_static("x"),
        kind: ShortStr::from_static("topic"),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments,
        history: Some(GroupId(3)),
    })
}

/// `value` inside `depth` tables and arrays.
fn nested(value: FieldValue, depth: usize) -> FieldTable {
    let mut value = value;
    for level in 0..depth {
        value = if level % 2 == 0 {
            FieldValue::Array(vec![FieldValue::Void, value, FieldValue::Bool(true)])
        } else {
            FieldValue::Table(FieldTable(vec![(ShortStr::from_static("k"), value)]))
        };
    }
    FieldTable(vec![(ShortStr::from_static("outer"), value), (ShortStr::from_static("after"), FieldValue::U8(1))])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn commands_come_back(command in generate::command()) {
        prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
    }

    #[test]
    fn a_snapshot_and_the_rest_of_the_log_equal_the_whole_log(commands in generate::commands(60), cut in 0..60_usize) {
        let (prefix, suffix) = commands.split_at(cut.min(commands.len()));
        let mut whole = Machine::new();
        replay(&mut whole, prefix, 1);
        let segments = encode_snapshot(&whole);
        prop_assert_eq!(&segments, &encode_snapshot(&whole));
        let mut restored = decode_snapshot(segments).unwrap();
        prop_assert_eq!(&restored, &whole);
        for machine in [&mut whole, &mut restored] {
            replay(machine, suffix, 1 + prefix.len());
        }
        prop_assert_eq!(restored, whole);
    }

    #[test]
    fn random_bytes_are_an_error_or_a_command(bytes in vec(any::<u8>(), 0..64)) {
        if let Ok(command) = decode_command(bytes.clone().into()) {
            prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
        }
        decode_snapshot(vec![(0, bytes.into())]).ok();
    }

    #[test]
    fn a_damaged_command_never_panics(command in generate::command(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = encode_command(&command).to_vec();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        decode_command(bytes.into()).ok();
    }
}

#[test]
fn floats_come_back_bit_by_bit() {
    let odd = [FieldValue::F32(f32::from_bits(0x7fc0_1234)), FieldValue::F64(f64::from_bits(0xfff8_0000_dead_beef))];
    for value in odd {
        let Ok(Command::DeclareExchange(back)) = decode_command(encode_command(&declare(nested(value.clone(), 0))))
        else {
            panic!("it is a declare");
        };
        let bits = |value: &FieldValue| match value {
            FieldValue::F32(v) => u64::from(v.to_bits()),
            FieldValue::F64(v) => v.to_bits(),
            other => panic!("{other:?}"),
        };
        assert_eq!(bits(back.arguments.get("outer").unwrap()), bits(&value));
    }
}

#[test]
fn arguments_of_any_depth_come_back() {
    for depth in [0, 1, 2, 64, 500] {
        let command = declare(nested(FieldValue::I64(7), depth));
        assert_eq!(decode_command(encode_command(&command)), Ok(command), "{depth}");
    }
    let empty = declare(FieldTable(vec![
        (ShortStr::EMPTY, FieldValue::Array(vec![])),
        (ShortStr::EMPTY, FieldValue::Table(FieldTable::default())),
    ]));
    assert_eq!(decode_command(encode_command(&empty)), Ok(empty));
}

#[test]
fn an_array_that_promises_more_than_comes_is_refused() {
    use wire::{command::Command as W, field::Value};
    let field = wire::Field { name: Bytes::new(), value: Some(Value::Array(u32::MAX)) };
    let declare = wire::DeclareExchange { arguments: vec![field], ..wire::DeclareExchange::default() };
    let command = wire::Command { command: Some(W::DeclareExchange(declare)) };
    decode_command(command.encode_to_vec().into()).unwrap_err();
}

#[test]
fn a_command_of_a_later_version_is_refused() {
    decode_command(Bytes::new()).unwrap_err();
    // Field 1000, length-delimited, empty: a command that this version has no name for.
    decode_command(Bytes::from_static(&[0xc2, 0x3e, 0x00])).unwrap_err();
}

#[test]
fn large_snapshots_come_in_pieces_and_need_all_of_them() {
    let mut machine = Machine::new();
    let bootstrap = metadata::Bootstrap {
        vhost: ShortStr::from_static("/"),
        user: ShortStr::from_static("guest"),
        password: metadata::PasswordHash {
            algorithm: metadata::HashAlgorithm::Sha256,
            salted: Bytes::from_static(b"12345678"),
        },
        defaults: metadata::VhostDefaults::default(),
    };
    machine.apply(&Command::Bootstrap(bootstrap), Timestamp(1));
    for number in 0..3_000 {
        let Command::DeclareExchange(exchange) = declare(FieldTable::default()) else { continue };
        let name = ShortStr::copy_from(&format!("x{number}")).unwrap();
        machine.apply(&Command::DeclareExchange(DeclareExchange { name, ..exchange }), Timestamp(2));
    }
    let segments = encode_snapshot(&machine);
    assert!(segments.len() >= 3);
    let backwards: Vec<_> = segments.iter().rev().cloned().collect();
    assert_eq!(decode_snapshot(backwards).unwrap(), machine);
    for missing in 0..segments.len() {
        let mut segments = segments.clone();
        segments.remove(missing);
        decode_snapshot(segments).unwrap_err();
    }
    decode_snapshot(Vec::new()).unwrap_err();
}
