"""Time to live of messages and of queues."""

import time

from .support import *


@behaviour("a queue's messages expire after x-message-ttl")
def message_ttl(t):
    queue = t.queue(arguments={"x-message-ttl": 150})
    t.send(queue, 1, 2)
    t.comes_to(queue, 0)
    t.nothing(queue)


@behaviour("a message is delivered until it expires, and not afterwards")
def not_early(t):
    queue = t.queue(arguments={"x-message-ttl": 1500})
    begin = time.monotonic()
    t.send(queue, 1, 2)
    expect(t.bodies(queue, 1), ["1"], "bodies")
    t.comes_to(queue, 0)
    check(time.monotonic() - begin > 1.4, f"it expired after {time.monotonic() - begin:.2f} s")


@behaviour("a message expires by its own expiration")
def expiration(t):
    queue = t.queue()
    t.send(queue, 1, expiration="150")
    t.comes_to(queue, 0)
    t.send(queue, 2, expiration="60000")
    message = t.get(queue)
    expect((message.body, message.properties.expiration), (b"2", "60000"), "message")


@behaviour("the shorter of a message's expiration and its queue's counts")
def shorter(t):
    long, short = t.queue("long", {"x-message-ttl": 60000}), t.queue("short", {"x-message-ttl": 150})
    t.send(long, 1, expiration="150")
    t.send(short, 1, expiration="60000")
    t.comes_to(long, 0)
    t.comes_to(short, 0)


@behaviour("a message expires behind one that does not")
def mixed(t):
    queue = t.queue()
    t.send(queue, "stays")
    t.send(queue, "goes", expiration="150")
    t.send(queue, "stays too", expiration="60000")
    t.comes_to(queue, 2)
    expect(t.bodies(queue, 2), ["stays", "stays too"], "bodies")


@behaviour("a TTL of 0 expires at once, unless a consumer takes the message")
def zero(t):
    queue = t.queue(arguments={"x-message-ttl": 0})
    t.send(queue, 1)
    t.comes_to(queue, 0)
    consumer = t.consume(queue)
    t.send(queue, 2)
    expect([m.body for m in consumer.wait(1)], [b"2"], "deliveries")


@behaviour("what is held does not expire; put back late, it does")
def held(t):
    queue = t.queue(arguments={"x-message-ttl": 300})
    t.send(queue, 1)
    message = t.get(queue, ack=False)
    t.pause(0.5)
    t.con.basic_nack(message.tag, requeue=True)
    t.comes_to(queue, 0)
    t.send(queue, 2)
    message = t.get(queue, ack=False)
    t.pause(0.5)
    t.con.basic_ack(message.tag)
    t.nothing(queue)


def register_expiration(value):
    @once(f"an expiration of {value!r} is refused with 406")
    def invalid(t):
        queue = t.queue()
        t.refused(406, f"PRECONDITION_FAILED - invalid expiration '{value}': ...", t.send, queue, 1, expiration=value)


for wrong in ("soon", "-1", "", "315360000001"):
    register_expiration(wrong)


def gone(t, queue, channel=None):
    try:
        (channel or t.con.connection.channel()).queue_declare(queue, passive=True)
    except ChannelClosedByBroker as error:
        return error.reply_code == 404
    return False


@behaviour("a queue without consumers ends after x-expires, with its messages", SHARED)
def expires(t):
    queue = t.queue(arguments={"x-expires": 300})
    t.send(queue, 1)
    # Passive declares are no use of a queue in RabbitMQ's sense; but looking less often is safe with any sense.
    t.pause(0.6)
    t.until(lambda: gone(t, queue), "the queue's end")
    check(gone(t, queue, t.channel(3)), "another node still has it")


@behaviour("a queue with a consumer does not expire, and its time begins anew when the consumer goes")
def expires_consumer(t):
    queue = t.queue(arguments={"x-expires": 400})
    consumer = t.consume(queue)
    t.pause(0.7)
    check(not gone(t, queue), "it expired under its consumer")
    consumer.cancel()
    t.pause(0.6)
    t.until(lambda: gone(t, queue), "the queue's end")


@behaviour("get counts as use of a queue that would expire")
def expires_get(t):
    queue = t.queue(arguments={"x-expires": 700})
    for _ in range(4):
        t.pause(0.25)
        t.con.basic_get(queue)
    check(not gone(t, queue), "it expired in use")
    t.pause(0.9)
    t.until(lambda: gone(t, queue), "the queue's end")
