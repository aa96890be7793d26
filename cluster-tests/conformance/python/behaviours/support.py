"""What a behaviour's test is written with: its own names, connections to chosen nodes, waits with a deadline."""

import base64
import itertools
import json
import time
import urllib.error
import urllib.request
import uuid

import pika
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker, ConnectionClosedByBroker, NackError, UnroutableError

DEADLINE_S = 8
# How long nothing may come before it counts as not coming.
QUIET_S = 0.25
RUN = uuid.uuid4().hex[:8]

REPLICATED, TRANSIENT, EXCLUSIVE = "replicated", "transient", "exclusive"
# Queue operations of such a test all come from one connection.
ONE_CONSUMER = (REPLICATED, EXCLUSIVE)
# Several connections consume.
SHARED = (REPLICATED, TRANSIENT)

BEHAVIOURS = []
NUMBERS = itertools.count(1)


def behaviour(text, kinds=ONE_CONSUMER, http=False, alone=False):
    """Registers a function as the test of the behaviour that the text says; it runs once for each kind of queue.

    What runs alone does so after all others: the whole cluster notices it.
    """

    def register(function):
        for kind in kinds:
            BEHAVIOURS.append((f"{text} [{kind}]" if len(kinds) > 1 else text, function, kind, http, alone))
        return function

    return register


def once(text, kind=REPLICATED, http=False, alone=False):
    """A behaviour to which the kind of queue does not matter."""
    return behaviour(text, (kind,), http, alone)


class Skip(Exception):
    """What the behaviour needs is not there."""


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def call(t, method, path, body=None, node=1):
    """Asks the HTTP API of a node: status and body of the answer."""
    request = urllib.request.Request(f"http://{t.https[(node - 1) % len(t.https)]}/api/{path}", method=method)
    request.add_header("Authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, json.dumps(body).encode() if body is not None else None, timeout=DEADLINE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def put(t, path, body, node=1):
    """PUT, which must be taken."""
    status, answer = call(t, "PUT", path, body, node)
    check(status in (200, 201, 204), f"PUT {path}: {status} {answer[:200]}")


class Case:
    """One run of one behaviour."""

    def __init__(self, uris, https, kind):
        self.uris = uris
        self.https = https
        self.kind = kind
        self.prefix = f"behaviours.{RUN}.{next(NUMBERS)}"
        self.connections = []
        self.queues = []
        self.exchanges = []
        self.cleanups = []
        self._pub = self._con = None

    # Connections and channels

    def connection(self, node=1, **parameters):
        """A connection of its own; node counts from 1 and wraps."""
        url = pika.URLParameters(self.uris[(node - 1) % len(self.uris)])
        url.socket_timeout = url.blocked_connection_timeout = DEADLINE_S
        for name, value in parameters.items():
            setattr(url, name, value)
        connection = pika.BlockingConnection(url)
        self.connections.append(connection)
        return connection

    def channel(self, node=1, confirms=False, **parameters):
        channel = self.connection(node, **parameters).channel()
        if confirms:
            channel.confirm_delivery()
        return channel

    @property
    def pub(self):
        """The publisher's channel, with confirms, on node 1."""
        if self._pub is None or not self._pub.is_open:
            self._pub = self.channel(1, confirms=True)
        return self._pub

    @property
    def con(self):
        """The consumer's channel, on node 2. Exclusive queues are its connection's."""
        if self._con is None:
            self._con = self.channel(2)
        elif not self._con.is_open:
            connection = self._con.connection
            self._con = connection.channel() if connection.is_open else self.channel(2)
        return self._con

    # Queues and exchanges

    def name(self, suffix="q"):
        return f"{self.prefix}.{suffix}"

    def flags(self):
        return {REPLICATED: {"durable": True}, TRANSIENT: {}, EXCLUSIVE: {"exclusive": True}}[self.kind]

    def queue(self, suffix="q", /, arguments=None, channel=None, **flags):
        """Declares a queue of this run's kind."""
        name = self.name(suffix)
        (channel or self.con).queue_declare(name, arguments=arguments, **(flags or self.flags()))
        self.queues.append(name)
        return name

    def exchange(self, kind="direct", suffix="x", /, **more):
        name = self.name(suffix)
        self.exchanges.append(name)
        self.pub.exchange_declare(name, kind, durable=more.pop("durable", True), **more)
        return name

    # Messages

    def publish(self, exchange, key, body=b"", mandatory=False, channel=None, **properties):
        body = body if isinstance(body, bytes) else str(body).encode()
        if properties.setdefault("delivery_mode", 2) is None:
            del properties["delivery_mode"]
        (channel or self.pub).basic_publish(exchange, key, body, pika.BasicProperties(**properties), mandatory=mandatory)

    def send(self, queue, *bodies, **properties):
        """Publishes to the queue by the default exchange; every one is confirmed."""
        for body in bodies:
            self.publish("", queue, body, **properties)

    def rejected(self, queue, body, **properties):
        """The publish is answered with basic.nack."""
        try:
            self.send(queue, body, **properties)
        except NackError:
            return
        raise AssertionError(f"the publish of {body!r} was confirmed")

    def get(self, queue, ack=True, channel=None):
        """Gets one message, waiting for it: (method, properties, body)."""
        channel = channel or self.con
        until = time.monotonic() + DEADLINE_S
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=ack)
            if method is not None:
                return Message(method, properties, body)
            check(time.monotonic() < until, f"no message in {queue}")
            channel.connection.process_data_events(time_limit=0.01)

    def bodies(self, queue, count, **more):
        return [self.get(queue, **more).body.decode() for _ in range(count)]

    def drain(self, queue):
        """The bodies of all ready messages."""
        count = self.ready(queue)
        consumer = self.consume(queue, self.con.connection.channel(), ack=True)
        consumer.quiet(count, 0)
        consumer.channel.close()
        return consumer.bodies

    def nothing(self, queue, channel=None):
        """There is no message to get."""
        method, _, body = (channel or self.con).basic_get(queue)
        check(method is None, f"a message in {queue}: {body!r}")

    def ready(self, queue, channel=None):
        return (channel or self.con).queue_declare(queue, passive=True).method.message_count

    def comes_to(self, queue, count):
        self.until(lambda: self.ready(queue) == count, lambda: f"{self.ready(queue)} ready messages instead of {count}")

    def consume(self, queue, channel=None, ack=False, **more):
        return Consumer(channel or self.con, queue, auto_ack=ack, **more)

    # Waiting and refusals

    def until(self, condition, what, connection=None):
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("did not happen: " + (what() if callable(what) else what))
            (connection or self.con.connection).process_data_events(time_limit=0.02)

    def pause(self, seconds):
        """Lets time pass where time is the matter; connections are served."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.con.connection.process_data_events(time_limit=left)

    def refused(self, code, text, function, *positional, **named):
        """The channel is closed with that code, and that text unless it is None; a text that ends with ... is a beginning."""
        self._refused(ChannelClosedByBroker, code, text, function, positional, named)

    def hard(self, code, text, function, *positional, **named):
        """The connection is closed with that code and text."""
        self._refused(ConnectionClosedByBroker, code, text, function, positional, named)

    def _refused(self, kind, code, text, function, positional, named):
        try:
            result = function(*positional, **named)
        except (ChannelClosedByBroker, ConnectionClosedByBroker) as error:
            said = (error.reply_code, error.reply_text)
            if text is None:
                expect(said[0], code, f"reply code ({said[1]})")
            elif text.endswith("..."):
                check(said[0] == code and said[1].startswith(text[:-3]), f"expected {(code, text)!r}, got {said!r}")
            else:
                expect(said, (code, text), "reply")
            expect(type(error), kind, "what is closed")
        else:
            raise AssertionError(f"not refused with {code}: {result!r}")

    def wait_closed(self, channel):
        """For refusals that come later than the call: raises the reason."""
        reasons = []
        channel._impl.add_on_close_callback(lambda _channel, reason: reasons.append(reason))
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            channel.connection.process_data_events(time_limit=0.02)
            if reasons:
                raise reasons[0]
        raise AssertionError("the channel stayed open")

    # The end

    def hang_up(self):
        for connection in self.connections:
            if connection.is_open:
                connection.close()

    def close(self):
        for cleanup in reversed(self.cleanups):
            cleanup()
        self.hang_up()
        if self.queues and self.kind != EXCLUSIVE or self.exchanges:
            connection = pika.BlockingConnection(pika.URLParameters(self.uris[0]))
            for delete, names in (("exchange_delete", self.exchanges), ("queue_delete", self.queues)):
                for name in names:
                    try:
                        getattr(connection.channel(), delete)(name)
                    except ChannelClosedByBroker:
                        pass  # an exclusive queue that is just going
            connection.close()


class Message:
    def __init__(self, method, properties, body):
        self.method, self.properties, self.body = method, properties, body
        self.tag, self.redelivered = method.delivery_tag, method.redelivered
        self.headers = properties.headers or {}

    def __repr__(self):
        return f"<{self.body!r} {self.headers!r}>"


class Consumer:
    """Collects what it is sent."""

    def __init__(self, channel, queue, **more):
        self.channel = channel
        self.messages = []
        self.cancelled = []
        channel.add_on_cancel_callback(lambda frame: self.cancelled.append(frame.method.consumer_tag))
        self.tag = channel.basic_consume(queue, lambda _c, m, p, b: self.messages.append(Message(m, p, b)), **more)

    @property
    def bodies(self):
        return [message.body.decode() for message in self.messages]

    def serve(self, seconds=0.02):
        self.channel.connection.process_data_events(time_limit=seconds)

    def wait(self, count):
        """The first `count` messages."""
        until = time.monotonic() + DEADLINE_S
        while len(self.messages) < count:
            check(time.monotonic() < until, f"{len(self.messages)} deliveries instead of {count}: {self.bodies}")
            self.serve()
        return self.messages[:count]

    def wait_cancelled(self):
        until = time.monotonic() + DEADLINE_S
        while not self.cancelled:
            check(time.monotonic() < until, "no basic.cancel came")
            self.serve()

    def quiet(self, count=None, seconds=QUIET_S):
        """Nothing more comes; `count` have come."""
        count = len(self.messages) if count is None else count
        self.wait(count)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.serve(left)
        expect(len(self.messages), count, f"deliveries ({self.bodies})")

    def ack(self, index=-1, multiple=False):
        self.channel.basic_ack(self.messages[index].tag, multiple=multiple)
        self.serve(0)

    def cancel(self):
        self.channel.basic_cancel(self.tag)
