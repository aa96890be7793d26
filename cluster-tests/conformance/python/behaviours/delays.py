"""Messages that are to be delivered later, and retries with a pause."""

import time

from .support import *


def delayed_exchange(t, kind="direct", **more):
    return t.exchange("x-delayed-message", arguments={"x-delayed-type": kind, **more})


@behaviour("a delayed message exchange routes after x-delay, the shorter delay first")
def x_delay(t):
    exchange, queue = delayed_exchange(t), t.queue()
    t.con.queue_bind(queue, exchange, "key")
    begin = time.monotonic()
    for delay in (600, 200, 0):
        t.publish(exchange, "key", delay, headers={"x-delay": delay} if delay else {})
    expect(t.bodies(queue, 1), ["0"], "bodies without delay")
    expect(t.bodies(queue, 2), ["200", "600"], "bodies")
    check(time.monotonic() - begin > 0.59, f"they came after {time.monotonic() - begin:.2f} s")


@once("a delayed message is routed by the exchange's x-delayed-type")
def x_delayed_type(t):
    exchange, queue, other = delayed_exchange(t, "topic"), t.queue(), t.queue("other")
    t.con.queue_bind(queue, exchange, "a.*")
    t.con.queue_bind(other, exchange, "b.*")
    t.publish(exchange, "a.b", "m", headers={"x-delay": 100})
    message = t.get(queue)
    expect((message.body, message.method.exchange, message.method.routing_key), (b"m", exchange, "a.b"), "message")
    t.nothing(other)


@once("a delayed message exchange delays what comes through another exchange, or as its alternate, too")
def behind(t):
    exchange, queue, at_once = delayed_exchange(t, "fanout"), t.queue(), t.queue("now")
    fanout = t.exchange("fanout", "f")
    spare = t.exchange("direct", "s", arguments={"alternate-exchange": exchange})
    t.con.queue_bind(queue, exchange, "")
    t.con.queue_bind(at_once, fanout, "")
    t.con.exchange_bind(exchange, fanout)
    for source in (fanout, spare):
        begin = time.monotonic()
        t.publish(source, "key", source, headers={"x-delay": 400})
        t.nothing(queue)
        message = t.get(queue)
        expect((message.body.decode(), message.headers["x-delay"]), (source, -400), "body and passed delay")
        check(time.monotonic() - begin > 0.39, f"it came after {time.monotonic() - begin:.2f} s")
    expect(t.bodies(at_once, 1), [fanout], "bodies that no exchange delays")


@once("a negative x-delay is no delay")
def negative(t):
    exchange, queue = delayed_exchange(t), t.queue()
    t.con.queue_bind(queue, exchange, "key")
    t.publish(exchange, "key", "m", headers={"x-delay": -1000})
    expect(t.bodies(queue, 1), ["m"], "bodies")


@once("a delayed message exchange without a good x-delayed-type is refused with 406")
def no_type(t):
    for arguments in (None, {"x-delayed-type": "nonsense"}):
        t.refused(406, None, t.channel(1).exchange_declare, t.name("x"), "x-delayed-message", arguments=arguments)


@behaviour("a message with x-opt-delivery-time waits in its queue until then")
def delivery_time(t):
    queue = t.queue(arguments={"x-queue-type": "quorum"} if t.kind == REPLICATED else None)
    at = int((time.time() + 0.6) * 1000)
    t.send(queue, "later", headers={"x-opt-delivery-time": at})
    t.send(queue, "now")
    expect(t.bodies(queue, 1), ["now"], "bodies")
    t.nothing(queue)
    expect(t.bodies(queue, 1), ["later"], "bodies")
    check(time.time() * 1000 >= at, "it came early")


def retrying(t, kind, **more):
    return t.queue("q", {"x-queue-type": "quorum", "x-delayed-retry-type": kind, "x-delayed-retry-min": 200, "x-delayed-retry-max": 300,
                         "x-delivery-limit": -1, **more})


@once("a rejected message comes again after its retry delay, which grows up to the maximum")
def retry(t):
    queue = retrying(t, "all")
    t.send(queue, "m")
    pauses = []
    message = t.get(queue, ack=False)
    for _ in range(3):
        t.con.basic_reject(message.tag, requeue=True)
        begin = time.monotonic()
        message = t.get(queue, ack=False)
        pauses.append(time.monotonic() - begin)
    check(0.19 < pauses[0] < 2 and all(0.29 < pause < 2 for pause in pauses[1:]), f"pauses {pauses}")


@once("others are delivered while a message waits for its retry")
def retry_others(t):
    queue = retrying(t, "all")
    t.send(queue, "first", "second")
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    expect(t.bodies(queue, 2), ["second", "first"], "bodies")


@once("retries of failed messages alone wait for rejects, not for nacks")
def retry_failed(t):
    queue = retrying(t, "failed", **{"x-delayed-retry-min": 60000, "x-delayed-retry-max": 60000})
    t.send(queue, "m")
    t.con.basic_nack(t.get(queue, ack=False).tag, requeue=True)
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    t.nothing(queue)


@once("retries of returned messages alone wait for nacks, not for rejects")
def retry_returned(t):
    queue = retrying(t, "returned", **{"x-delayed-retry-min": 60000, "x-delayed-retry-max": 60000})
    t.send(queue, "m")
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    t.con.basic_nack(t.get(queue, ack=False).tag, requeue=True)
    t.nothing(queue)
