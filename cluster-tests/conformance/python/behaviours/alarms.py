"""Resource alarms: a node that is low makes publishers on all nodes wait, and nobody else, and nothing is lost by it.

The cluster is low on purpose: the limits of one node are set through its HTTP API, and set back. So these run alone.
"""

import threading

from .support import *

# Low whatever there is: any process uses more than a byte, and no disk has an exbibyte free.
LOW = {"memory": {"memory_high_watermark_bytes": 1}, "disk": {"disk_free_limit_bytes": 1 << 60}}
LOW_NODE, OTHER_NODE = 1, 2
# How long publishing has to stand still to count as stalled.
STALL_S = 1.0


class Alarm:
    """Raised and cleared on one node."""

    def __init__(self, t, kind):
        self.t, self.kind = t, kind
        before = json.loads(call(t, "GET", "resource-limits", node=LOW_NODE)[1])
        limits = {"memory_high_watermark_bytes": before["mem_limit"], "disk_free_limit_bytes": before["disk_free_limit"]}
        self.before = {key: value for key, value in limits.items() if key in LOW[kind]}
        t.cleanups.append(self.clear)

    def set(self):
        put(self.t, "resource-limits", LOW[self.kind], node=LOW_NODE)

    def clear(self):
        put(self.t, "resource-limits", self.before, node=LOW_NODE)

    def stands(self):
        """Whether the other node knows of it."""
        status, _ = call(self.t, "GET", "health/checks/alarms", node=OTHER_NODE)
        return status == 503


class Publisher(threading.Thread):
    """Publishes numbers on the other node one after the other, each confirmed before the next."""

    def __init__(self, t, queue, count, **parameters):
        super().__init__(daemon=True)
        self.queue, self.count = queue, count
        self.confirmed, self.told, self.error = 0, [], None
        self.stopped = threading.Event()
        self.channel = t.channel(OTHER_NODE, confirms=True, **parameters)
        # The blocking connection keeps such news until somebody asks, which nobody does who waits for a confirm.
        connection = self.channel.connection._impl
        connection.add_on_connection_blocked_callback(lambda _, frame: self.told.append(frame.method.reason))
        connection.add_on_connection_unblocked_callback(lambda *_: self.told.append("unblocked"))

    def run(self):
        try:
            while self.confirmed < self.count or not self.stopped.is_set():
                self.channel.basic_publish("", self.queue, str(self.confirmed).encode(), pika.BasicProperties(delivery_mode=2))
                self.confirmed += 1
            # So that what was told last is heard.
            self.channel.connection.process_data_events(time_limit=QUIET_S)
        except Exception as error:
            self.error = error

    def stalls(self, t):
        """Nothing is confirmed for some time, however long it takes until then."""
        seen = [self.confirmed, time.monotonic()]

        def stands_still():
            if self.confirmed != seen[0]:
                seen[:] = [self.confirmed, time.monotonic()]
            return time.monotonic() - seen[1] > STALL_S

        t.until(stands_still, lambda: f"a stall; {self.confirmed} were confirmed, error: {self.error!r}")

    def finish(self, t):
        self.stopped.set()
        t.until(lambda: not self.is_alive(), lambda: f"the last confirm; {self.confirmed} came")
        if self.error:
            raise self.error


def low(t, kind, reason):
    alarm, queue = Alarm(t, kind), t.queue()
    publisher = Publisher(t, queue, 50)
    publisher.start()
    t.until(lambda: publisher.confirmed > 0, "a confirm before the alarm")
    alarm.set()
    t.until(lambda: publisher.told, "connection.blocked")
    expect(publisher.told, [reason], "what the publisher was told")
    publisher.stalls(t)
    alarm.clear()
    t.until(lambda: len(publisher.told) > 1, "connection.unblocked")
    expect(publisher.told, [reason, "unblocked"], "what the publisher was told")
    before = publisher.confirmed
    t.until(lambda: publisher.confirmed > before, "a confirm after the alarm")
    publisher.finish(t)
    expect(t.drain(queue), [str(n) for n in range(publisher.confirmed)], "messages")


@once("a node low on memory blocks publishers on another node, and nothing is lost", http=True, alone=True)
def memory(t):
    low(t, "memory", "low on memory")


@once("a node low on disk blocks publishers on another node, and nothing is lost", http=True, alone=True)
def disk(t):
    low(t, "disk", "low on disk")


@once("a connection that only consumes is not told of an alarm, and goes on", http=True, alone=True)
def consumers(t):
    alarm, queue = Alarm(t, "memory"), t.queue()
    t.send(queue, *range(20))
    told = []
    channel = t.channel(OTHER_NODE)
    channel.connection.add_on_connection_blocked_callback(lambda *_: told.append("blocked"))
    alarm.set()
    t.until(alarm.stands, "the alarm on the other node")
    consumer = t.consume(queue, channel)
    for index in range(20):
        consumer.wait(index + 1)
        consumer.ack(index)
    consumer.quiet(20)
    expect(told, [], "what the consumer was told")
    alarm.clear()
    t.until(lambda: not alarm.stands(), "the end of the alarm")
    expect(t.ready(queue), 0, "messages that are left")


@once("a publisher without the capability is not told of an alarm, but blocked", http=True, alone=True)
def incapable(t):
    alarm, queue = Alarm(t, "memory"), t.queue()
    capabilities = {"publisher_confirms": True, "basic.nack": True, "connection.blocked": False}
    publisher = Publisher(t, queue, 50, client_properties={"capabilities": capabilities})
    publisher.start()
    t.until(lambda: publisher.confirmed > 0, "a confirm before the alarm")
    alarm.set()
    t.until(alarm.stands, "the alarm on the other node")
    publisher.stalls(t)
    alarm.clear()
    publisher.finish(t)
    expect(publisher.told, [], "what the publisher was told")
    expect(t.drain(queue), [str(n) for n in range(publisher.confirmed)], "messages")


@once("a client that publishes for the first time during an alarm is told and blocked then", http=True, alone=True)
def late(t):
    alarm, queue = Alarm(t, "disk"), t.queue()
    alarm.set()
    t.until(alarm.stands, "the alarm on the other node")
    publisher = Publisher(t, queue, 1)
    publisher.start()
    t.until(lambda: publisher.told, "connection.blocked")
    expect(publisher.told, ["low on disk"], "what the publisher was told")
    publisher.stalls(t)
    alarm.clear()
    publisher.finish(t)
    expect(t.drain(queue), [str(n) for n in range(publisher.confirmed)], "messages")
