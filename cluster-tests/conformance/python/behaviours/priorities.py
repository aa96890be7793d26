"""Priorities of messages."""

from .support import *


@behaviour("of ready messages the one of highest priority goes first, in order within a priority")
def strict(t):
    queue = t.queue(arguments={"x-max-priority": 5})
    for body, priority in (("a1", 1), ("b5", 5), ("c1", 1), ("d3", 3), ("e5", 5)):
        t.send(queue, body, priority=priority)
    expect(t.bodies(queue, 5), ["b5", "e5", "d3", "a1", "c1"], "bodies")


@behaviour("a priority above the maximum is the maximum, and none is the lowest")
def clamped(t):
    queue = t.queue(arguments={"x-max-priority": 3})
    t.send(queue, "none")
    t.send(queue, "three", priority=3)
    t.send(queue, "nine", priority=9)
    t.send(queue, "one", priority=1)
    messages = [t.get(queue) for _ in range(4)]
    expect([m.body for m in messages], [b"three", b"nine", b"one", b"none"], "bodies")
    expect([m.properties.priority for m in messages], [3, 9, 1, None], "priorities as sent")


@behaviour("consumers get the highest priority first as well")
def consumed(t):
    queue = t.queue(arguments={"x-max-priority": 10})
    for number in range(9):
        t.send(queue, number, priority=number)
    t.con.basic_qos(prefetch_count=1)
    consumer = t.consume(queue)
    for number in range(9):
        consumer.wait(number + 1)
        consumer.ack()
    expect(consumer.bodies, list("876543210"), "bodies")


@behaviour("a requeued message keeps its priority")
def requeued(t):
    queue = t.queue(arguments={"x-max-priority": 10})
    t.send(queue, "low", priority=1)
    t.send(queue, "high", priority=9)
    message = t.get(queue, ack=False)
    expect(message.body, b"high", "first")
    t.send(queue, "middle", priority=5)
    t.con.basic_nack(message.tag, requeue=True)
    expect(t.bodies(queue, 3), ["high", "middle", "low"], "bodies")


@behaviour("messages of each priority expire and count for the length")
def limits(t):
    queue = t.queue(arguments={"x-max-priority": 10, "x-max-length": 2})
    for body, priority in (("low", 1), ("high", 9), ("middle", 5)):
        t.send(queue, body, priority=priority)
    # Which one goes differs between RabbitMQ's kinds of queues.
    bodies = t.bodies(queue, 2)
    check(bodies in (["high", "middle"], ["middle", "low"], ["high", "low"]), f"bodies {bodies}")
    t.send(queue, "high", priority=9, expiration="60000")
    t.send(queue, "low", priority=1, expiration="100")
    t.comes_to(queue, 1)
    expect(t.bodies(queue, 1), ["high"], "bodies")


@once("a queue without x-max-priority keeps the order of publishing for messages without priority")
def none(t):
    queue = t.queue()
    t.send(queue, *range(5))
    expect(t.bodies(queue, 5), list("01234"), "bodies")
