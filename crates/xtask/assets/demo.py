"""A stock client against a cluster whose queue leader is killed half-way.

usage: demo.py CLUSTER_JSON MESSAGES

Publishes persistent messages with confirms to a durable queue through node 2 and kills the leader of the queue when half of them
are confirmed. Does what a careful client does: connects to the next node when its node is gone, and publishes again whatever was
not confirmed. Then consumes everything from another node. Says what it does on standard error, and the outcome in JSON on standard
output.
"""

import collections
import json
import logging
import os
import signal
import sys
import time
import urllib.request

import pika

QUEUE = "demo"
BODY_BYTES = 1024
WINDOW = 1000  # messages that wait for their confirm at the same time
PREFETCH = 500
SILENCE_S = 30  # without any confirm or delivery that is awaited: give up
QUIET_S = 1.0  # without a delivery after the last message came: the queue is empty


def say(text):
    print(text, file=sys.stderr, flush=True)


def parameters(node):
    host, port = node["amqp"].rsplit(":", 1)
    return pika.ConnectionParameters(host, int(port), connection_attempts=1, socket_timeout=5)


def leader_of(node, queue):
    url = f"http://{node['http']}/quorate/v1/queues/%2F/{queue}"
    for _ in range(50):
        with urllib.request.urlopen(url, timeout=5) as answer:
            leader = json.load(answer)["leader"]
        if leader:  # none while one is being elected
            return leader
        time.sleep(0.1)
    raise RuntimeError(f"nobody leads the queue {queue}")


class Publisher:
    """Publishes numbered messages until each is confirmed, through one node after the other."""

    def __init__(self, nodes, count, half_way):
        self.nodes = collections.deque(nodes)
        self.waiting = collections.deque(range(count))  # to be published
        self.unconfirmed = collections.OrderedDict()  # publish sequence number of this channel -> message
        self.times_sent = [0] * count
        self.confirmed = 0
        self.half, self.half_way = count // 2, half_way
        self.started = self.last_confirm = None
        self.gap_s = 0.0
        self.connections = 0
        self.published = 0
        self.connection = self.channel = None
        self.failure = None  # pika takes an exception in a callback for a broken connection

    def run(self):
        say(f"publishing through {self.nodes[0]['name']}")
        self.started = time.monotonic()
        while self.waiting or self.unconfirmed:
            self.connect()
            if self.failure:
                raise self.failure
            # Whatever was not confirmed when the connection ended is published again, oldest first.
            self.waiting.extendleft(reversed(self.unconfirmed.values()))
            self.unconfirmed.clear()
            if self.waiting:
                self.nodes.rotate(-1)
                self.check_silence()
                time.sleep(0.01)
        self.finished = time.monotonic()

    def connect(self):
        def stop(connection, _reason):
            connection.ioloop.stop()

        self.connection = pika.SelectConnection(
            parameters(self.nodes[0]), on_open_callback=lambda c: c.channel(on_open_callback=self.opened),
            on_open_error_callback=stop, on_close_callback=stop,
        )
        try:
            self.connection.ioloop.call_later(1, self.watch)
            self.connection.ioloop.start()
        finally:
            self.connection.ioloop.close()

    def watch(self):
        self.check_silence()
        self.connection.ioloop.call_later(1, self.watch)

    def check_silence(self):
        if time.monotonic() - (self.last_confirm or self.started) > SILENCE_S:
            sys.exit(f"no confirm for {SILENCE_S} s")

    def opened(self, channel):
        self.connections += 1
        self.published = 0
        self.channel = channel
        channel.confirm_delivery(self.answered, callback=lambda _frame: self.fill())

    def kill(self):
        act, self.half_way = self.half_way, None
        try:
            act(self.nodes[0])
        except Exception as error:
            self.failure = error
            self.connection.close()

    def fill(self):
        while self.waiting and len(self.unconfirmed) < WINDOW and self.connection.is_open:
            number = self.waiting.popleft()
            self.published += 1
            self.unconfirmed[self.published] = number
            self.times_sent[number] += 1
            properties = pika.BasicProperties(delivery_mode=2, message_id=str(number))
            self.channel.basic_publish("", QUEUE, bytes(BODY_BYTES), properties)

    def answered(self, frame):
        tags = [frame.method.delivery_tag]
        if frame.method.multiple:
            tags = [tag for tag in self.unconfirmed if tag <= frame.method.delivery_tag]
        numbers = [self.unconfirmed.pop(tag) for tag in tags]
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self.waiting.extendleft(reversed(numbers))
        else:
            now = time.monotonic()
            self.gap_s = max(self.gap_s, now - (self.last_confirm or now))
            self.last_confirm = now
            self.confirmed += len(numbers)
            if self.half_way and self.confirmed >= self.half:
                self.kill()
        self.fill()
        if not self.waiting and not self.unconfirmed and self.connection.is_open:
            self.connection.close()


def consume(node, expected):
    """How often each message came without and with the redelivered flag."""
    say(f"consuming from {node['name']}")
    plain, flagged = collections.Counter(), collections.Counter()
    connection = pika.BlockingConnection(parameters(node))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    unacknowledged, last = 0, time.monotonic()
    for method, properties, _body in channel.consume(QUEUE, inactivity_timeout=0.2):
        if method is None:
            quiet = time.monotonic() - last
            complete = len(plain.keys() | flagged.keys()) >= expected
            if quiet > SILENCE_S or (complete and quiet > QUIET_S):
                break
        else:
            (flagged if method.redelivered else plain)[properties.message_id] += 1
            unacknowledged, last = unacknowledged + 1, time.monotonic()
        if unacknowledged >= 50 or (method is None and unacknowledged):
            channel.basic_ack(0, multiple=True)
            unacknowledged = 0
    channel.cancel()
    connection.close()
    return plain, flagged


def main():
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    with open(sys.argv[1], encoding="utf-8") as file:
        nodes = json.load(file)["nodes"]
    count = int(sys.argv[2])
    by_name = {node["name"]: node for node in nodes}
    killed = []

    with_queue = pika.BlockingConnection(parameters(nodes[1]))
    channel = with_queue.channel()
    channel.queue_delete(QUEUE)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    with_queue.close()

    def kill_leader(through):
        leader = leader_of(through, QUEUE)
        os.kill(by_name[leader]["pid"], signal.SIGKILL)
        killed.append(leader)
        say(f"killed {leader}, the queue's leader (kill -9)")

    publisher = Publisher([nodes[1], nodes[2], nodes[0]], count, kill_leader)
    publisher.run()
    say(f"all confirmed after {publisher.finished - publisher.started:.1f} s")

    alive = [node for node in nodes if node["name"] not in killed]
    last_used = publisher.nodes[0]["name"]
    reader = next(node for node in alive if node["name"] != last_used)
    plain, flagged = consume(reader, count)

    ids = [str(number) for number in range(count)]
    twice = [max(0, plain[i] - 1) for i in ids]
    explained = [min(extra, sent - 1) for extra, sent in zip(twice, publisher.times_sent)]
    unknown = sum(n for i, n in (plain + flagged).items() if not (i or "").isdigit() or int(i) >= count)
    json.dump({
        "published_through": nodes[1]["name"],
        "killed": killed,
        "reconnected": publisher.connections - 1,
        "consumed_from": reader["name"],
        "confirmed": publisher.confirmed,
        "consumed": sum(plain.values()) + sum(flagged.values()),
        "lost": sum(1 for i in ids if not plain[i] and not flagged[i]),
        "invented": unknown,
        "unflagged_duplicates": sum(twice) - sum(explained),
        "flagged": sum(flagged.values()),
        "republished": sum(sent - 1 for sent in publisher.times_sent),
        "republished_stored_twice": sum(explained),
        "gap_s": publisher.gap_s,
        "publish_s": publisher.finished - publisher.started,
    }, sys.stdout)

    with_queue = pika.BlockingConnection(parameters(reader))
    with_queue.channel().queue_delete(QUEUE)
    with_queue.close()


if __name__ == "__main__":
    main()
