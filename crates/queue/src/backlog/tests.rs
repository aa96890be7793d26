//! The backlog against a plain list of messages.

use super::*;

type Message = (u64, u32, u32);

fn uniform(index: u64, first_slot: u32, count: u32, size: u32) -> Piece<'static> {
    piece(index, first_slot, count, Sizes::Uniform(size))
}

fn each(index: u64, first_slot: u32, sizes: &[u32]) -> Piece<'_> {
    piece(index, first_slot, u32::try_from(sizes.len()).unwrap(), Sizes::Each(sizes))
}

/// At a position that is far behind those of entries before.
fn piece(index: u64, first_slot: u32, count: u32, sizes: Sizes<'_>) -> Piece<'_> {
    let position = (index << 20) + u64::from(first_slot);
    Piece { index, first_slot, count, sizes, position, expires_at: NEVER, priority: 0 }
}

/// Without gaps, and with a time of expiry.
fn timed(position: u64, expires_at: u64) -> Piece<'static> {
    let slot = u32::try_from(position).unwrap();
    Piece { position, expires_at: Timestamp(expires_at), ..uniform(1, slot, 1, 7) }
}

fn messages_of(piece: &Piece<'_>) -> Vec<Message> {
    (0..piece.count).map(|at| (piece.index, piece.first_slot + at, piece.size(at))).collect()
}

fn take_all(backlog: &mut Backlog, most: u64) -> Vec<Message> {
    let mut all = Vec::new();
    while let Some(mut taken) = backlog.take(most, messages_of) {
        all.append(&mut taken);
        backlog.check().unwrap();
    }
    all
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let mut backlog = Backlog::default();
    let pieces = [uniform(1, 0, 3, 10), each(1, 3, &[5, 6]), uniform(2, 0, 1, 7), each(4, 9, &[1, 2, 3])];
    let mut expected = Vec::new();
    for piece in &pieces {
        backlog.push(*piece);
        expected.extend(messages_of(piece));
        backlog.check().unwrap();
    }
    assert_eq!((backlog.messages(), backlog.bytes()), (9, 54));
    assert_eq!(take_all(&mut backlog, 2), expected);
    assert_eq!((backlog.messages(), backlog.bytes()), (0, 0));
}

#[test]
fn runs_that_touch_become_one() {
    let mut backlog = Backlog::default();
    for slot in 0..50 {
        backlog.push(uniform(1, slot, 1, 10));
    }
    assert_eq!(backlog.segments[0].len(), 1);
    assert_eq!(backlog.segments[0].sizes_len(), 0);
    backlog.push(uniform(1, 50, 1, 11));
    backlog.push(each(1, 51, &[12, 13]));
    backlog.push(uniform(1, 53, 2, 14));
    assert_eq!(backlog.segments[0].len(), 1);
    assert_eq!(backlog.segments[0].sizes_len(), 55);
    backlog.check().unwrap();
    assert_eq!(backlog.bytes(), 50 * 10 + 11 + 12 + 13 + 28);
    backlog.push(uniform(1, 56, 1, 14));
    backlog.push(uniform(2, 57, 1, 14));
    assert_eq!(backlog.segments[0].len(), 3, "a gap in the slots and another entry begin a run");
}

#[test]
fn a_huge_uniform_run_is_never_written_out() {
    let mut backlog = Backlog::default();
    backlog.push(each(1, 0, &[1, 2]));
    backlog.push(uniform(1, 2, 4_000_000_000, 0));
    backlog.push(each(1, 4_000_000_002, &[1, 2]));
    assert_eq!(backlog.segments[0].sizes_len(), 4);
    backlog.check().unwrap();
}

#[test]
fn segments_are_bounded_and_go_when_used_up() {
    let mut backlog = Backlog::default();
    for index in 0..5000 {
        backlog.push(Piece { position: index, ..uniform(index, 0, 1, 1) });
    }
    assert_eq!(backlog.segments.len(), 10);
    let taken = take_all(&mut backlog, 1);
    assert_eq!(taken, (0..5000).map(|index| (index, 0, 1)).collect::<Vec<_>>());
    assert!(backlog.segments.is_empty());
}

#[test]
fn an_emptied_small_backlog_is_used_again() {
    let mut backlog = Backlog::default();
    for index in 0..100 {
        backlog.push(each(index, 0, &[1, 2, 3]));
        assert_eq!(take_all(&mut backlog, 3).len(), 3);
        assert_eq!(backlog.segments.len(), 1);
    }
    backlog.check().unwrap();
}

#[test]
fn a_clone_is_not_changed_by_taking_from_or_adding_to_the_original() {
    let mut backlog = Backlog::default();
    for index in 0..600 {
        backlog.push(uniform(index, 0, 2, 1));
    }
    let mut clone = backlog.clone();
    assert_eq!(take_all(&mut backlog, 3).len(), 1200);
    backlog.push(uniform(601, 0, 1, 1));
    clone.check().unwrap();
    assert_eq!(take_all(&mut clone, 1).len(), 1200);
}

#[test]
fn equal_backlogs_tell_of_equal_pieces_however_they_came_to_be() {
    let mut whole = Backlog::default();
    whole.push(uniform(1, 0, 200, 9));
    whole.push(uniform(1, 200, 1, 8));
    let mut parts = Backlog::default();
    parts.push(each(0, 0, &[4, 4]));
    for slot in 0..200 {
        parts.push(uniform(1, slot, 1, 9));
    }
    parts.push(each(1, 200, &[8]));
    parts.take(1, |_| ()).unwrap();
    parts.take(1, |_| ()).unwrap();
    let pieces = |backlog: &Backlog| {
        let mut all = Vec::new();
        backlog.for_each_uniform(|piece, size| all.push((piece.index, piece.first_slot, piece.count, size)));
        all
    };
    assert_eq!(pieces(&whole), [(1, 0, 200, 9), (1, 200, 1, 8)]);
    assert_eq!(pieces(&parts), pieces(&whole));
}

#[test]
fn positions_may_have_gaps_however_large() {
    let mut backlog = Backlog::default();
    for position in [5, 6, 9, 10, u64::from(u32::MAX) + 9, 1 << 50] {
        backlog.push(Piece { position, ..uniform(1, 0, 1, 1) });
    }
    backlog.shift(100);
    backlog.check().unwrap();
    let mut positions = Vec::new();
    while let Some((position, _)) = backlog.head() {
        positions.push(position);
        backlog.take(1, |piece| assert_eq!(piece.position, position)).unwrap();
    }
    assert_eq!(positions, [105, 106, 109, 110, u64::from(u32::MAX) + 109, (1 << 50) + 100]);
}

#[test]
fn times_of_expiry_never_descend() {
    let mut backlog = Backlog::default();
    assert!(backlog.accepts(Timestamp(5)));
    for (position, expires_at) in [(0, 10), (1, 10), (2, 20)] {
        backlog.push(timed(position, expires_at));
    }
    assert_eq!((backlog.segments[0].len(), backlog.head()), (2, Some((0, Timestamp(10)))));
    assert!(!backlog.accepts(Timestamp(19)));
    assert!(backlog.accepts(Timestamp(20)));
    backlog.push(timed(3, u64::MAX));
    assert!(!backlog.accepts(Timestamp(20)));
    assert!(backlog.accepts(NEVER));
    backlog.check().unwrap();
    assert_eq!(take_all(&mut backlog, 1).len(), 4);
    assert!(backlog.accepts(Timestamp(5)), "when it is empty, anything may come");
}
