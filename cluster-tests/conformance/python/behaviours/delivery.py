"""Consuming, acknowledging, limits of what is unacknowledged, redelivery."""

from .support import *


@behaviour("messages come in the order of publishing, from another node")
def order(t):
    queue = t.queue()
    consumer = t.consume(queue)
    t.send(queue, *range(60))
    consumer.wait(60)
    expect(consumer.bodies, [str(number) for number in range(60)], "bodies")
    expect([message.redelivered for message in consumer.messages], [False] * 60, "redelivered")


@once("a message may be consumed on every node", TRANSIENT)
@once("a replicated message may be consumed on every node")
def from_each(t):
    queue = t.queue()
    for node in (1, 2, 3):
        t.send(queue, node)
        consumer = t.consume(queue, t.channel(node))
        consumer.wait(1)
        consumer.ack()
        consumer.cancel()
    expect(t.ready(queue), 0, "messages")


@behaviour("requeued messages go back to their places")
def requeue_order(t):
    queue = t.queue()
    t.send(queue, *range(5))
    messages = [t.get(queue, ack=False) for _ in range(3)]
    for message in (messages[2], messages[0], messages[1]):
        t.con.basic_nack(message.tag, requeue=True)
    again = [t.get(queue, ack=True) for _ in range(5)]
    expect(sorted(message.body.decode() for message in again), list("01234"), "bodies")
    expect([message.redelivered for message in again if message.body in b"012"], [True] * 3, "redelivered")
    expect([message.redelivered for message in again if message.body in b"34"], [False] * 2, "redelivered")


@behaviour("nack with multiple takes everything up to its tag")
def nack_multiple(t):
    queue = t.queue()
    t.send(queue, *range(4))
    consumer = t.consume(queue)
    consumer.wait(4)
    consumer.cancel()
    t.con.basic_nack(consumer.messages[2].tag, multiple=True, requeue=False)
    t.con.basic_nack(consumer.messages[3].tag, requeue=True)
    expect(t.bodies(queue, 1), ["3"], "bodies")
    t.nothing(queue)


@behaviour("an ack with tag 0 and multiple takes everything outstanding")
def ack_all(t):
    queue = t.queue()
    t.send(queue, *range(4))
    channel = t.con.connection.channel()
    consumer = t.consume(queue, channel)
    consumer.wait(4)
    channel.basic_ack(0, multiple=True)
    channel.close()
    t.nothing(queue)


@behaviour("an ack of an unknown tag, or a second one, closes the channel with 406")
def unknown_tag(t):
    queue = t.queue()
    t.send(queue, 1)
    for tag, first in ((1, True), (7, False)):
        channel = t.con.connection.channel()
        if first:
            check(channel.basic_get(queue)[0].delivery_tag == 1, "tag")
            channel.basic_ack(1)
        channel.basic_ack(tag)
        t.refused(406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", t.wait_closed, channel)
    t.nothing(queue)


@behaviour("what a closed channel held comes again with the redelivered flag")
def closed_channel(t):
    queue = t.queue()
    t.send(queue, 1, 2)
    channel = t.con.connection.channel()
    t.consume(queue, channel).wait(2)
    channel.close()
    consumer = t.consume(queue)
    expect([m.redelivered for m in consumer.wait(2)], [True, True], "redelivered")
    expect(consumer.bodies, ["1", "2"], "bodies")


@behaviour("recover puts back everything unacknowledged")
def recover(t):
    queue = t.queue()
    t.send(queue, 1, 2)
    consumer = t.consume(queue)
    consumer.wait(2)
    t.con.basic_recover(requeue=True)
    expect([(m.body, m.redelivered) for m in consumer.wait(4)[2:]], [(b"1", True), (b"2", True)], "deliveries")


@once("recover without requeue is refused with 540")
def recover_same(t):
    t.hard(540, "NOT_IMPLEMENTED - requeue=false", t.channel().basic_recover, requeue=False)


@behaviour("a prefetch is each later consumer's own, and a change does not touch those that are there")
def prefetch(t):
    queue = t.queue()
    t.send(queue, *range(12))
    t.con.basic_qos(prefetch_count=2)
    first = t.consume(queue)
    first.quiet(2)
    t.con.basic_qos(prefetch_count=3)
    second = t.consume(queue)
    second.quiet(3)
    expect(len(first.messages), 2, "deliveries of the first consumer")
    first.ack()
    first.quiet(3)
    t.con.basic_nack(0, multiple=True)


@behaviour("a global prefetch is shared by the channel's consumers")
def prefetch_global(t):
    queue, other = t.queue(), t.queue("other")
    for name in (queue, other):
        t.send(name, *range(5))
    t.con.basic_qos(prefetch_count=3, global_qos=True)
    first, second = t.consume(queue), t.consume(other)
    t.until(lambda: len(first.messages) + len(second.messages) == 3, "3 deliveries")
    second.quiet()
    expect(len(first.messages) + len(second.messages), 3, "deliveries together")
    t.con.basic_ack(0, multiple=True)
    t.until(lambda: len(first.messages) + len(second.messages) == 6, "3 more deliveries")
    second.quiet()
    expect(len(first.messages) + len(second.messages), 6, "deliveries together")


@once("a prefetch size is refused with 540")
def prefetch_size(t):
    t.hard(540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)", t.channel().basic_qos, prefetch_size=10)


@behaviour("a consumer without acks gets everything, and nothing stays")
def no_ack(t):
    queue = t.queue()
    t.con.basic_qos(prefetch_count=1)
    consumer = t.consume(queue, ack=True)
    t.send(queue, *range(30))
    consumer.wait(30)
    consumer.cancel()
    expect(t.ready(queue), 0, "messages")


@behaviour("the consumer of higher priority is served while it can take more")
def consumer_priority(t):
    queue = t.queue()
    t.con.basic_qos(prefetch_count=2)
    low = t.consume(queue, arguments={"x-priority": -1})
    middle = t.consume(queue)
    high = t.consume(queue, arguments={"x-priority": 10})
    t.send(queue, *range(5))
    for consumer, count in ((high, 2), (middle, 2), (low, 1)):
        consumer.quiet(count)
    expect([high.bodies, middle.bodies, low.bodies], [["0", "1"], ["2", "3"], ["4"]], "deliveries")


@behaviour("a consumer priority that is no integer is refused with 406")
def consumer_priority_type(t):
    queue = t.queue()
    text = f"PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{queue}' in vhost '/': \"expected integer, got longstr\""
    t.refused(406, text, t.con.basic_consume, queue, print, arguments={"x-priority": "high"})


@behaviour("an exclusive consumer is alone: others are refused with 403, and it is beside others")
def exclusive_consumer(t):
    queue = t.queue()
    text = f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use"
    alone = t.consume(queue, exclusive=True)
    t.refused(403, text, t.con.connection.channel().basic_consume, queue, print)
    alone.cancel()
    t.consume(queue)
    t.refused(403, text, t.con.connection.channel().basic_consume, queue, print, exclusive=True)


@behaviour("a consumer is told when its queue is deleted on another node", SHARED)
def cancelled(t):
    queue = t.queue()
    consumer = t.consume(queue)
    t.channel(3).queue_delete(queue)
    consumer.wait_cancelled()
    expect(consumer.cancelled, [consumer.tag], "consumer tags")


@behaviour("a cancelled consumer gets nothing more, and what it holds can still be acknowledged")
def cancel(t):
    queue = t.queue()
    t.send(queue, 1)
    consumer = t.consume(queue)
    consumer.wait(1)
    consumer.cancel()
    t.send(queue, 2)
    consumer.ack()
    expect(t.bodies(queue, 1), ["2"], "bodies")
    again = t.con.basic_consume(queue, print, consumer_tag=consumer.tag)
    expect(again, consumer.tag, "the tag used anew")


@behaviour("a get that must be acknowledged comes again when its channel closes")
def get_unacknowledged(t):
    queue = t.queue()
    t.send(queue, 1, 2)
    channel = t.con.connection.channel()
    method = channel.basic_get(queue)[0]
    expect((method.message_count, method.redelivered), (1, False), "first get")
    channel.close()
    message = t.get(queue)
    expect((message.body, message.redelivered, message.method.message_count), (b"1", True, 1), "second get")


@once("an unknown queue is refused with 404 to consume, get and purge")
def missing(t):
    name = t.name("missing")
    text = f"NOT_FOUND - no queue '{name}' in vhost '/'"
    for use in (lambda c: c.basic_consume(name, print), lambda c: c.basic_get(name), lambda c: c.queue_purge(name)):
        t.refused(404, text, use, t.channel())


@behaviour("headers that are absent and headers that are empty stay so")
def headers(t):
    queue = t.queue()
    t.send(queue, "absent")
    t.send(queue, "empty", headers={})
    expect([t.get(queue).properties.headers for _ in range(2)], [None, {}], "headers")


@behaviour("x-delivery-count is there from the second delivery on")
def delivery_count(t):
    queue = t.queue(arguments={"x-queue-type": "quorum"} if t.kind == REPLICATED else None)
    t.send(queue, 1)
    counts = []
    for _ in range(3):
        message = t.get(queue, ack=False)
        counts.append(message.headers.get("x-delivery-count"))
        t.con.basic_reject(message.tag, requeue=True)
    expect(counts, [None, 1, 2], "x-delivery-count")


@once("a message rejected more often than x-delivery-limit is dropped")
def delivery_limit(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-delivery-limit": 2})
    t.send(queue, 1)
    for _ in range(3):
        t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    t.comes_to(queue, 0)
    t.nothing(queue)


@once("a nack with requeue does not count towards the limit")
def delivery_limit_nack(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-delivery-limit": 2})
    t.send(queue, 1)
    for _ in range(6):
        t.con.basic_nack(t.get(queue, ack=False).tag, requeue=True)
    expect(t.bodies(queue, 1), ["1"], "bodies")


@once("a lost connection counts towards the limit")
def delivery_limit_lost(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-delivery-limit": 1})
    t.send(queue, 1)
    for _ in range(2):
        channel = t.channel(3)
        t.get(queue, ack=False, channel=channel)
        channel.connection.close()
    t.comes_to(queue, 0)
    t.nothing(queue)


@once("without an argument the limit is 20, and -1 is none")
def delivery_limit_default(t):
    limited = t.queue("limited", {"x-queue-type": "quorum"})
    free = t.queue("free", {"x-queue-type": "quorum", "x-delivery-limit": -1})
    for queue in (limited, free):
        t.send(queue, 1)
        for _ in range(21):
            t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    t.comes_to(limited, 0)
    expect(t.bodies(free, 1), ["1"], "bodies")


@behaviour("purge takes what is ready and leaves what is held")
def purge(t):
    queue = t.queue()
    t.send(queue, 1, 2, 3)
    message = t.get(queue, ack=False)
    expect(t.con.queue_purge(queue).method.message_count, 2, "purged")
    t.con.basic_nack(message.tag, requeue=True)
    expect(t.bodies(queue, 1), ["1"], "bodies")


# Single active consumer

SINGLE = {"x-single-active-consumer": True}


@behaviour("of several consumers of a queue with a single active one, one gets everything", SHARED)
def single_active(t):
    queue = t.queue(arguments=SINGLE)
    first, second = t.consume(queue), t.consume(queue, t.channel(3))
    t.send(queue, *range(5))
    first.wait(5)
    second.quiet(0)


@behaviour("the next consumer becomes the active one when the first is cancelled", SHARED)
def single_active_cancel(t):
    queue = t.queue(arguments=SINGLE)
    first, second = t.consume(queue), t.consume(queue, t.channel(3))
    t.send(queue, 1)
    first.wait(1)
    first.cancel()
    t.send(queue, 2)
    expect([m.body for m in second.wait(1)], [b"2"], "deliveries")
    first.ack()
    second.quiet(1)


@behaviour("the next consumer gets what the active one held when its connection closes", SHARED)
def single_active_closed(t):
    queue = t.queue(arguments=SINGLE)
    first, second = t.consume(queue, t.channel(1)), t.consume(queue, t.channel(3))
    t.send(queue, 1, 2)
    first.wait(2)
    first.channel.connection.close()
    expect([(m.body, m.redelivered) for m in second.wait(2)], [(b"1", True), (b"2", True)], "deliveries")


@behaviour("get is refused with 405 on a queue with a single active consumer", SHARED)
def single_active_get(t):
    queue = t.queue(arguments=SINGLE)
    t.refused(405, "RESOURCE_LOCKED - cannot obtain access to locked queue...", t.con.basic_get, queue)


@behaviour("a consumer of higher priority becomes the active one when nothing is held any more", SHARED)
def single_active_priority(t):
    queue = t.queue(arguments={**SINGLE, **({"x-queue-type": "quorum"} if t.kind == REPLICATED else {})})
    low = t.consume(queue, t.channel(1), arguments={"x-priority": 1})
    t.send(queue, 1)
    low.wait(1)
    high = t.consume(queue, t.channel(3), arguments={"x-priority": 2})
    t.send(queue, 2)
    high.quiet(0)
    low.ack()
    low.serve()
    expect([m.body for m in high.wait(1)], [b"2"], "deliveries")
    low.quiet(1)


# Publishing


@once("immediate is refused with 540 and an unknown exchange with 404")
def publish_refused(t):
    t.refused(404, "NOT_FOUND - no exchange 'nowhere' in vhost '/'", t.publish, "nowhere", "key")


@once("a user_id that is not the user's is refused with 406")
def user_id(t):
    queue = t.queue()
    t.send(queue, 1, user_id="guest")
    text = "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'"
    t.refused(406, text, t.send, queue, 2, user_id="other")
    expect(t.bodies(queue, 1), ["1"], "bodies")


@once("a message larger than the limit is refused with 406")
def too_large(t):
    queue = t.queue()
    size = 16 * 1024 * 1024 + 1
    text = f"PRECONDITION_FAILED - message size {size} is larger than configured max size {size - 1}"
    t.refused(406, text, t.send, queue, bytes(size))
