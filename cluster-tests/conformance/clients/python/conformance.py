"""What an application does with pika, against the nodes whose URIs are given.

usage: conformance.py URI [URI ...]     (one node given three times will do)

Prints "ok - <behaviour>" or "not ok - <behaviour>: <reason>" per behaviour; exits 1 when one failed.
"""

import sys
import time
import traceback
import uuid
from contextlib import contextmanager

import pika
import pika.exceptions

URIS = sys.argv[1:]
NAME = "conformance.python." + uuid.uuid4().hex[:12]
DEADLINE_S = 20
PERSISTENT = pika.BasicProperties(delivery_mode=2)
BEHAVIOURS = []


def behaviour(text):
    """Registers a function as the test of the behaviour that the text says."""

    def register(function):
        BEHAVIOURS.append((text, function))
        return function

    return register


@contextmanager
def channel_on(node, confirms=False):
    """A channel on a connection of its own; node counts from 1 and wraps."""
    connection = pika.BlockingConnection(pika.URLParameters(URIS[(node - 1) % len(URIS)]))
    try:
        channel = connection.channel()
        if confirms:
            channel.confirm_delivery()
        yield channel
    finally:
        if connection.is_open:
            connection.close()


@contextmanager
def queue_on(channel, suffix, **arguments):
    """A durable queue that is deleted at the end, also when the channel is gone."""
    name = f"{NAME}.{suffix}"
    channel.queue_declare(name, durable=True, arguments=arguments or None)
    try:
        yield name
    finally:
        with channel_on(1) as other:
            other.queue_delete(name)


@contextmanager
def exchange_on(channel, kind):
    name = f"{NAME}.{kind}"
    channel.exchange_declare(name, kind, durable=True)
    try:
        yield name
    finally:
        with channel_on(1) as other:
            other.exchange_delete(name)


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def fetch(channel, queue, auto_ack=True):
    """Gets one message, waiting for it."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
        if method is not None:
            return method, properties, body
        time.sleep(0.02)
    raise AssertionError(f"no message in {queue}")


def wait_for(channel, condition, what):
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"did not happen: {what}")
        channel.connection.process_data_events(time_limit=0.05)


@behaviour("a queue declared on one node is seen on every node")
def declared_everywhere():
    with channel_on(1) as first, queue_on(first, "seen", **{"x-queue-type": "quorum"}) as queue:
        for node in range(1, len(URIS) + 1):
            with channel_on(node) as channel:
                expect(channel.queue_declare(queue, passive=True).method.queue, queue, "name in declare-ok")


@behaviour("a direct exchange routes by equal key")
def direct():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "direct") as queue:
        with exchange_on(channel, "direct") as exchange:
            channel.queue_bind(queue, exchange, "red")
            channel.basic_publish(exchange, "blue", b"no", PERSISTENT)
            channel.basic_publish(exchange, "red", b"yes", PERSISTENT)
            method, _, body = fetch(channel, queue)
            expect((body, method.routing_key, method.exchange), (b"yes", "red", exchange), "message")
            expect(method.message_count, 0, "messages left")
            channel.queue_unbind(queue, exchange, "red")
            channel.basic_publish(exchange, "red", b"unbound", PERSISTENT)
            expect(channel.basic_get(queue)[0], None, "message after unbind")


@behaviour("a topic exchange routes by pattern")
def topic():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "topic") as queue:
        with exchange_on(channel, "topic") as exchange:
            channel.queue_bind(queue, exchange, "stock.*.eur")
            channel.queue_bind(queue, exchange, "log.#")
            for key in ("stock.abc.eur", "stock.abc.usd", "stock.eur", "log", "log.a.b", "catalog.a"):
                channel.basic_publish(exchange, key, b"", PERSISTENT)
            keys = [fetch(channel, queue)[0].routing_key for _ in range(3)]
            expect(keys, ["stock.abc.eur", "log", "log.a.b"], "routed keys")
            expect(channel.basic_get(queue)[0], None, "further message")


@behaviour("every publish is confirmed")
def confirms():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "confirms") as queue:
        for number in range(200):
            channel.basic_publish("", queue, str(number).encode(), PERSISTENT)
        expect(channel.queue_declare(queue, passive=True).method.message_count, 200, "messages")


@behaviour("prefetch limits what is unacknowledged, acks let more come, in order")
def prefetch():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "prefetch") as queue:
        for number in range(30):
            channel.basic_publish("", queue, str(number).encode(), PERSISTENT)
        got = []
        channel.basic_qos(prefetch_count=10)
        channel.basic_consume(queue, lambda _c, method, _p, body: got.append((method, body)))
        wait_for(channel, lambda: len(got) >= 10, "ten deliveries")
        channel.connection.process_data_events(time_limit=0.3)
        expect(len(got), 10, "deliveries before the first ack")
        while len(got) < 30:
            before = len(got)
            channel.basic_ack(got[-1][0].delivery_tag, multiple=True)
            wait_for(channel, lambda: len(got) >= min(before + 10, 30), "further deliveries")
        expect([body for _, body in got], [str(n).encode() for n in range(30)], "order")
        expect(any(method.redelivered for method, _ in got), False, "a redelivered flag")
        channel.basic_ack(got[-1][0].delivery_tag, multiple=True)


@behaviour("a nacked message comes again with the redelivered flag")
def nack():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "nack") as queue:
        channel.basic_publish("", queue, b"again", PERSISTENT)
        method, _, _ = fetch(channel, queue, auto_ack=False)
        expect(method.redelivered, False, "flag of the first delivery")
        channel.basic_nack(method.delivery_tag, requeue=True)
        method, _, body = fetch(channel, queue, auto_ack=False)
        expect((method.redelivered, body), (True, b"again"), "second delivery")
        channel.basic_ack(method.delivery_tag)


@behaviour("a rejected message without requeue is gone")
def reject():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "reject") as queue:
        channel.basic_publish("", queue, b"bad", PERSISTENT)
        channel.basic_publish("", queue, b"good", PERSISTENT)
        method, _, _ = fetch(channel, queue, auto_ack=False)
        channel.basic_reject(method.delivery_tag, requeue=False)
        expect(fetch(channel, queue)[2], b"good", "next message")
        expect(channel.basic_get(queue)[0], None, "further message")


@behaviour("get returns messages one by one, then empty")
def get():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "get") as queue:
        for body in (b"1", b"2", b"3"):
            channel.basic_publish("", queue, body, PERSISTENT)
        got = [fetch(channel, queue) for _ in range(3)]
        expect([(m.message_count, b) for m, _, b in got], [(2, b"1"), (1, b"2"), (0, b"3")], "messages")
        expect(channel.basic_get(queue), (None, None, None), "get-empty")


@behaviour("an unroutable mandatory message is returned with 312 NO_ROUTE")
def mandatory():
    with channel_on(1, confirms=True) as channel:
        try:
            channel.basic_publish("amq.direct", NAME + ".nowhere", b"back", PERSISTENT, mandatory=True)
        except pika.exceptions.UnroutableError as error:
            returned = error.messages[0]
            expect((returned.method.reply_code, returned.method.reply_text, returned.body), (312, "NO_ROUTE", b"back"), "return")
        else:
            raise AssertionError("nothing was returned")
        channel.basic_publish("amq.direct", NAME + ".nowhere", b"dropped", PERSISTENT)


@behaviour("purge and delete tell how many messages went")
def purge_and_delete():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "purge") as queue:
        for _ in range(5):
            channel.basic_publish("", queue, b"x", PERSISTENT)
        expect(channel.queue_purge(queue).method.message_count, 5, "purged")
        channel.basic_publish("", queue, b"x", PERSISTENT)
        expect(channel.queue_delete(queue).method.message_count, 1, "deleted")
        expect(channel.queue_delete(queue).method.message_count, 0, "deleted when it was gone")


@behaviour("a message published on one node is consumed on another")
def across_nodes():
    with channel_on(3) as third, queue_on(third, "across") as queue:
        with channel_on(1, confirms=True) as first, channel_on(2) as second:
            got = []
            second.basic_consume(queue, lambda _c, method, _p, body: got.append((method, body)))
            for number in range(50):
                first.basic_publish("", queue, str(number).encode(), PERSISTENT)
            wait_for(second, lambda: len(got) == 50, "50 deliveries")
            expect([body for _, body in got], [str(n).encode() for n in range(50)], "order")
            second.basic_ack(0, multiple=True)
            second.connection.process_data_events(time_limit=0)
        with channel_on(3) as again:
            expect(again.queue_declare(queue, passive=True).method.message_count, 0, "messages left")


@behaviour("properties and headers arrive as sent")
def properties():
    headers = {"text": "grün", "number": -5, "big": 1 << 40, "flag": True, "list": [1, "two"], "table": {"a": None}}
    sent = pika.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", headers=headers, delivery_mode=2, priority=3,
        correlation_id="c-1", reply_to="r", message_id="m-1", timestamp=1_700_000_000, type="t", user_id="guest", app_id="a",
    )
    with channel_on(1, confirms=True) as channel, queue_on(channel, "properties") as queue:
        channel.basic_publish("", queue, b"body", sent)
        _, received, _ = fetch(channel, queue)
        for name in ("text", "number", "big", "flag", "list", "table"):
            expect(received.headers[name], headers[name], f"header {name}")
        for name in ("content_type", "content_encoding", "delivery_mode", "priority", "correlation_id", "reply_to",
                     "message_id", "timestamp", "type", "user_id", "app_id"):
            expect(getattr(received, name), getattr(sent, name), name)


@behaviour("bodies of no byte and of a mebibyte arrive whole")
def sizes():
    big = bytes(range(256)) * 4096
    with channel_on(1, confirms=True) as channel, queue_on(channel, "sizes") as queue:
        for body in (b"", big):
            channel.basic_publish("", queue, body, PERSISTENT)
            expect(fetch(channel, queue)[2] == body, True, f"{len(body)} bytes are the same")


@behaviour("a missing queue closes the channel with 404, and nothing else")
def missing_queue():
    with channel_on(1) as channel:
        connection = channel.connection
        try:
            channel.queue_declare(NAME + ".missing", passive=True)
        except pika.exceptions.ChannelClosedByBroker as error:
            expect(error.reply_code, 404, "reply code")
            expect(error.reply_text, f"NOT_FOUND - no queue '{NAME}.missing' in vhost '/'", "reply text")
        else:
            raise AssertionError("the channel stayed open")
        connection.channel().exchange_declare("amq.topic", "topic", passive=True)


@behaviour("what a closed connection held comes again with the redelivered flag")
def closed_connection():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "lost") as queue:
        channel.basic_publish("", queue, b"held", PERSISTENT)
        with channel_on(2) as holder:
            fetch(holder, queue, auto_ack=False)
        method, _, body = fetch(channel, queue)
        expect((method.redelivered, body), (True, b"held"), "second delivery")


@behaviour("a server-named exclusive queue works, is locked to others, and goes with its connection")
def exclusive():
    with channel_on(1, confirms=True) as channel:
        queue = channel.queue_declare("", exclusive=True).method.queue
        expect(queue.startswith("amq.gen-"), True, f"prefix of {queue}")
        channel.basic_publish("", queue, b"mine", PERSISTENT)
        expect(fetch(channel, queue)[2], b"mine", "message")
        with channel_on(2) as other:
            try:
                other.queue_declare(queue, passive=True)
            except pika.exceptions.ChannelClosedByBroker as error:
                expect(error.reply_code, 405, "reply code for another connection")
            else:
                raise AssertionError("another connection got in")
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        with channel_on(2) as other:
            try:
                other.queue_declare(queue, passive=True)
            except pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code == 404:
                    return
    raise AssertionError("the queue is still there")


@behaviour("cancel stops deliveries, and keeps the rest in the queue")
def cancel():
    with channel_on(1, confirms=True) as channel, queue_on(channel, "cancel") as queue:
        got = []
        tag = channel.basic_consume(queue, lambda _c, method, _p, _b: got.append(method), auto_ack=True)
        channel.basic_publish("", queue, b"before", PERSISTENT)
        wait_for(channel, lambda: len(got) == 1, "a delivery")
        channel.basic_cancel(tag)
        channel.basic_publish("", queue, b"after", PERSISTENT)
        expect(fetch(channel, queue)[2], b"after", "message left")
        expect(len(got), 1, "deliveries")


@behaviour("a consumer is told when its queue is deleted")
def cancel_notification():
    with channel_on(1) as channel, queue_on(channel, "notified") as queue:
        cancelled = []
        channel.add_on_cancel_callback(cancelled.append)
        tag = channel.basic_consume(queue, lambda *_: None)
        with channel_on(2) as other:
            other.queue_delete(queue)
        wait_for(channel, lambda: cancelled, "basic.cancel")
        expect(cancelled[0].method.consumer_tag, tag, "consumer tag")


def main():
    failed = 0
    for text, function in BEHAVIOURS:
        try:
            function()
            print(f"ok - {text}", flush=True)
        except Exception as error:  # the next behaviour has connections of its own
            failed += 1
            print(f"not ok - {text}: {error!r}", flush=True)
            traceback.print_exc()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
