//! The slab and the ring.

use super::*;

fn key(number: u32) -> ConsumerKey {
    ConsumerKey { session: SessionId::default(), number }
}

fn with(count: u32) -> Consumers {
    let mut consumers = Consumers::default();
    for number in 1..=count {
        let options = ConsumerOptions { initial_credit: 100, ..ConsumerOptions::default() };
        consumers.insert(Consumer::attached(key(number), options));
    }
    consumers.check().unwrap();
    consumers
}

fn ring(consumers: &Consumers) -> Vec<u32> {
    consumers.check().unwrap();
    consumers.ring().map(|consumer| consumer.key.number).collect()
}

fn go(consumers: &mut Consumers, number: u32) {
    let slot = consumers.find(&key(number)).unwrap();
    consumers.detach(slot);
    assert!(consumers.remove_if_over(slot));
}

#[test]
fn the_ring_turns_in_the_order_of_arrival() {
    let mut consumers = with(3);
    assert_eq!(ring(&consumers), [1, 2, 3]);
    consumers.turn_ring(consumers.next_in_ring().unwrap().0);
    assert_eq!(ring(&consumers), [2, 3, 1]);
    go(&mut consumers, 2);
    assert_eq!(ring(&consumers), [3, 1]);
    go(&mut consumers, 1);
    assert_eq!(ring(&consumers), [3]);
    consumers.turn_ring(consumers.next_in_ring().unwrap().0);
    assert_eq!(ring(&consumers), [3]);
    go(&mut consumers, 3);
    assert_eq!(consumers.next_in_ring(), None);
}

#[test]
fn who_has_no_capacity_leaves_the_ring_and_comes_back_last() {
    let mut consumers = with(3);
    let first = consumers.find(&key(1)).unwrap();
    consumers.get_mut(first).credit = 0;
    consumers.turn_ring(consumers.next_in_ring().unwrap().0);
    assert_eq!(ring(&consumers), [2, 3]);
    consumers.get_mut(first).credit = 1;
    consumers.settle_ring(first);
    consumers.settle_ring(first);
    assert_eq!(ring(&consumers), [2, 3, 1]);
}

#[test]
fn slots_are_used_again() {
    let mut consumers = with(3);
    go(&mut consumers, 2);
    consumers.insert(Consumer::attached(key(9), ConsumerOptions::default()));
    assert_eq!(consumers.slots.len(), 3);
    assert_eq!(consumers.iter().map(|consumer| consumer.key.number).collect::<Vec<_>>(), [1, 3, 9]);
}

#[test]
fn rings_of_higher_priority_come_first() {
    let mut consumers = Consumers::default();
    for (number, priority) in [(1, 0), (2, -5), (3, 7), (4, 0), (5, 7)] {
        let options = ConsumerOptions { initial_credit: 100, priority, ..ConsumerOptions::default() };
        consumers.insert(Consumer::attached(key(number), options));
    }
    assert_eq!(ring(&consumers), [3, 5, 1, 4, 2]);
    consumers.turn_ring(consumers.next_in_ring().unwrap().0);
    assert_eq!(ring(&consumers), [5, 3, 1, 4, 2]);
    for (gone, next) in [(3, (5, true)), (5, (1, false)), (1, (4, true)), (4, (2, true))] {
        go(&mut consumers, gone);
        let (slot, alone) = consumers.next_in_ring().unwrap();
        assert_eq!((consumers.get(slot).key.number, alone), next);
    }
    go(&mut consumers, 2);
    assert!(consumers.is_ring_empty());
}
