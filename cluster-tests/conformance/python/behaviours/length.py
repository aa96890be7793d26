"""Limits of a queue's length, and what happens beyond them."""

from .support import *


@behaviour("beyond x-max-length the oldest messages go")
def drop_head(t):
    queue = t.queue(arguments={"x-max-length": 3})
    t.send(queue, *range(5))
    t.comes_to(queue, 3)
    expect(t.bodies(queue, 3), ["2", "3", "4"], "bodies")


@behaviour("beyond x-max-length-bytes the oldest messages go")
def drop_head_bytes(t):
    queue = t.queue(arguments={"x-max-length-bytes": 250})
    t.send(queue, b"a" * 100, b"b" * 100, b"c" * 100)
    t.comes_to(queue, 2)
    expect([t.get(queue).body[:1] for _ in range(2)], [b"b", b"c"], "bodies")


@behaviour("a queue of length 0 passes on what a consumer takes at once, and keeps nothing")
def zero(t):
    queue = t.queue(arguments={"x-max-length": 0})
    t.send(queue, 1)
    t.nothing(queue)
    consumer = t.consume(queue)
    t.send(queue, 2)
    expect([m.body for m in consumer.wait(1)], [b"2"], "deliveries")


@behaviour("what is held does not count for the length")
def held(t):
    queue = t.queue(arguments={"x-max-length": 2})
    t.send(queue, 1, 2)
    consumer = t.consume(queue)
    consumer.wait(2)
    consumer.cancel()
    t.send(queue, 3, 4)
    expect(t.bodies(queue, 2), ["3", "4"], "bodies")


@behaviour("what is put back beyond the length drops the oldest")
def requeued(t):
    queue = t.queue(arguments={"x-max-length": 2})
    t.send(queue, 1)
    message = t.get(queue, ack=False)
    t.send(queue, 2, 3)
    t.con.basic_nack(message.tag, requeue=True)
    t.comes_to(queue, 2)


@behaviour("reject-publish answers beyond the length with nack, and takes again when there is room")
def reject_publish(t):
    queue = t.queue(arguments={"x-max-length": 2, "x-overflow": "reject-publish"})
    t.send(queue, 1, 2)
    # A replicated queue may overshoot by one message.
    for number in range(3):
        try:
            t.send(queue, f"more{number}")
        except NackError:
            break
    t.rejected(queue, "rejected")
    bodies = t.bodies(queue, t.ready(queue))
    expect(bodies[:2], ["1", "2"], "bodies")
    check("rejected" not in bodies and len(bodies) <= 3, f"bodies {bodies}")
    t.until(lambda: not rejects(t, queue, 3), "room")
    expect(t.bodies(queue, 1), ["3"], "bodies")


def rejects(t, queue, body):
    try:
        t.send(queue, body)
    except NackError:
        return True
    return False


@behaviour("reject-publish by bytes answers with nack")
def reject_publish_bytes(t):
    queue = t.queue(arguments={"x-max-length-bytes": 100, "x-overflow": "reject-publish"})
    t.until(lambda: rejects(t, queue, b"x" * 60), "a nack")
    check(1 <= t.ready(queue) <= 3, f"{t.ready(queue)} messages")


@behaviour("one queue that rejects makes the publish to several a nack")
def one_rejects(t):
    exchange = t.exchange("fanout")
    full, free = t.queue("full", {"x-max-length": 1, "x-overflow": "reject-publish"}), t.queue("free")
    t.con.queue_bind(full, exchange)
    t.con.queue_bind(free, exchange)
    for number in range(4):
        try:
            t.publish(exchange, "", number)
        except NackError:
            break
    else:
        raise AssertionError("nothing was rejected")
    expect(t.ready(free), number + 1, "messages of the other queue")


@behaviour("reject-publish-dlx answers with nack and dead-letters what it rejects")
def reject_publish_dlx(t):
    dead = t.queue("dead")
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    queue = t.queue(arguments=arguments)
    t.until(lambda: rejects(t, queue, "m"), "a nack")
    expect(t.get(dead).headers["x-death"][0]["reason"], "maxlen", "reason")


@behaviour("messages without confirms are dropped silently when the queue rejects")
def reject_unconfirmed(t):
    queue = t.queue(arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel = t.channel(3)
    for number in range(10):
        t.publish("", queue, number, channel=channel)
    # Answered in order behind the publishes.
    channel.queue_declare(t.name("q"), passive=True) if t.kind != EXCLUSIVE else channel.basic_qos(prefetch_count=1)
    t.until(lambda: t.ready(queue) >= 1, "a message")
    check(t.ready(queue) <= 2, f"{t.ready(queue)} messages")
