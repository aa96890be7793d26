"""Direct reply-to: answers without a queue."""

from .support import *

PSEUDO = "amq.rabbitmq.reply-to"


def requester(t, node):
    """A channel that waits for answers: (channel, answers)."""
    channel, answers = t.channel(node), []
    channel.basic_consume(PSEUDO, lambda _c, m, p, b: answers.append((b, m.exchange, p.correlation_id)), auto_ack=True)
    return channel, answers


def register_nodes(asking, answering):
    @behaviour(f"an answer finds its way from node {answering} to the channel on node {asking} that asked", SHARED)
    def rpc(t):
        queue = t.queue()
        channel, answers = requester(t, asking)
        server = t.channel(answering)
        for number in range(5):
            t.publish("", queue, f"ask{number}", reply_to=PSEUDO, correlation_id=str(number), channel=channel)
            request = t.get(queue, channel=server)
            address = request.properties.reply_to
            check(address.startswith(PSEUDO + "."), f"reply_to {address!r}")
            t.publish("", address, f"answer{number}", correlation_id=str(number), channel=server, delivery_mode=None)
            t.until(lambda: len(answers) > number, "an answer", channel.connection)
        expect(answers, [(f"answer{number}".encode(), "", str(number)) for number in range(5)], "answers")


for pair in ((1, 1), (1, 2), (3, 1)):
    register_nodes(*pair)


@once("a request with a direct reply-to without its consumer is refused with 406")
def no_consumer(t):
    queue = t.queue()
    text = "PRECONDITION_FAILED - fast reply consumer does not exist"
    t.refused(406, text, t.send, queue, "m", reply_to=PSEUDO)


@once("a second reply consumer, and one with acks, is refused with 406")
def second_consumer(t):
    channel, _ = requester(t, 1)
    t.refused(406, "PRECONDITION_FAILED - reply consumer already set", channel.basic_consume, PSEUDO, print, auto_ack=True)
    t.refused(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge", t.channel(2).basic_consume, PSEUDO, print)


def address_of(t):
    queue = t.queue()
    channel, _ = requester(t, 1)
    t.publish("", queue, "ask", reply_to=PSEUDO, channel=channel)
    return channel, t.get(queue).properties.reply_to


@once("a declare of a reply address tells whether somebody waits there")
def declared(t):
    channel, address = address_of(t)
    expect(t.channel(2).queue_declare(address, passive=True).method.queue, address, "name")
    channel.close()

    def missing():
        try:
            t.channel(3).queue_declare(address, passive=True)
        except ChannelClosedByBroker as error:
            return error.reply_code == 404
        return False

    t.until(missing, "the address's end")


@once("an answer to a channel that has gone is dropped, and confirmed")
def late(t):
    channel, address = address_of(t)
    channel.close()
    t.publish("", address, "late")


@once("a reply address in CC or BCC is resolved, beside other keys")
def carbon_copies(t):
    channel, answers = requester(t, 1)
    queue, archive = t.queue(), t.queue("archive")
    t.publish("", queue, "ask", reply_to=PSEUDO, channel=channel)
    address = t.get(queue).properties.reply_to
    server = t.channel(3, confirms=True)
    for number, name in enumerate(("CC", "BCC")):
        t.publish("", archive, name, headers={name: [address]}, channel=server)
        t.until(lambda: len(answers) > number, "an answer", channel.connection)
    t.publish("", address, "both", headers={"CC": [archive]}, channel=server)
    t.until(lambda: len(answers) > 2, "an answer", channel.connection)
    expect([body for body, _, _ in answers], [b"CC", b"BCC", b"both"], "answers")
    expect(t.bodies(archive, 3), ["CC", "BCC", "both"], "bodies")


@once("a reply address cannot be bound, with 403")
def bound(t):
    _, address = address_of(t)
    t.refused(403, None, t.channel(2).queue_bind, address, "amq.direct", "k")
