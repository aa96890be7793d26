"""Consumers that hold messages for too long."""

from .support import *


@behaviour("a consumer that holds a message beyond its x-consumer-timeout is cancelled, and the message comes again")
def argument(t):
    queue = t.queue(arguments={"x-queue-type": "quorum"} if t.kind == REPLICATED else None)
    t.send(queue, "m")
    consumer = t.consume(queue, arguments={"x-consumer-timeout": 500})
    consumer.wait(1)
    consumer.wait_cancelled()
    expect(consumer.cancelled, [consumer.tag], "consumer tags")
    expect([(m.body, m.redelivered) for m in [t.get(queue)]], [(b"m", True)], "message")


@behaviour("the channel of a client without consumer_cancel_notify is closed with 406 when its consumer holds a message too long", SHARED)
def without_cancel_notify(t):
    queue = t.queue(arguments={"x-queue-type": "quorum"} if t.kind == REPLICATED else None)
    t.send(queue, "m")
    connection = t.connection(3, client_properties={"capabilities": {"basic.nack": True}})
    bystander, number = connection.channel(), 7
    channel = connection.channel(number)
    consumer = t.consume(queue, channel, arguments={"x-consumer-timeout": 500})
    consumer.wait(1)
    text = (f"PRECONDITION_FAILED - delivery acknowledgement on channel {number} timed out. Timeout value used: 500 ms. "
            "This timeout value can be configured, see consumers doc guide to learn more")
    t.refused(406, text, t.wait_closed, channel)
    expect(consumer.cancelled, [], "cancelled consumers")
    expect([(m.body, m.redelivered) for m in [t.get(queue, channel=bystander)]], [(b"m", True)], "message")


@once("a queue's x-consumer-timeout counts for its consumers")
def queue_argument(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-consumer-timeout": 500})
    t.send(queue, "m")
    consumer = t.consume(queue, t.channel(3))
    consumer.wait(1)
    consumer.wait_cancelled()
    expect(t.bodies(queue, 1), ["m"], "bodies")


@once("a consumer that acknowledges in time stays")
def in_time(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-consumer-timeout": 800})
    consumer = t.consume(queue)
    for number in range(4):
        t.send(queue, number)
        consumer.wait(number + 1)
        t.pause(0.3)
        consumer.ack()
    expect(consumer.cancelled, [], "cancelled consumers")


@once("a consumer timeout that is no positive integer is refused with 406")
def wrong(t):
    queue = t.queue(arguments={"x-queue-type": "quorum"})
    for value in (-1, "soon"):
        t.refused(406, None, t.channel(1).basic_consume, queue, print, arguments={"x-consumer-timeout": value})
        t.refused(406, None, t.channel(1).queue_declare, t.name("n"), durable=True,
                  arguments={"x-queue-type": "quorum", "x-consumer-timeout": value})


@once("a single active consumer that is timed out gives way to the next")
def single_active(t):
    queue = t.queue(arguments={"x-queue-type": "quorum", "x-single-active-consumer": True, "x-consumer-timeout": 500})
    first, second = t.consume(queue, t.channel(1)), t.consume(queue, t.channel(3))
    t.send(queue, "m")
    first.wait(1)
    first.wait_cancelled()
    expect([m.body for m in second.wait(1)], [b"m"], "deliveries")
