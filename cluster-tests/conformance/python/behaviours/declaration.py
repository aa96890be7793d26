"""Declaring and deleting queues and exchanges: names, arguments, equivalence, life time."""

import threading

from pika.compat import long

from .support import *


@behaviour("a queue is seen on every node with its messages and consumers", SHARED)
def counts(t):
    queue = t.queue()
    t.send(queue, 1, 2, 3)
    consumer = t.consume(queue, t.channel(3))
    consumer.wait(3)
    t.send(queue, 4)
    consumer.wait(4)
    consumer.channel.basic_nack(consumer.messages[3].tag, requeue=True)
    consumer.wait(5)
    consumer.cancel()
    consumer.channel.basic_nack(0, multiple=True)
    for node in (1, 2, 3):
        channel = t.channel(node)
        t.until(lambda: channel.queue_declare(queue, passive=True).method.message_count == 4, "4 messages")
        expect(channel.queue_declare(queue, passive=True).method.consumer_count, 0, "consumers")
    t.consume(queue, t.channel(1))
    expect(t.con.queue_declare(queue, passive=True).method.consumer_count, 1, "consumers")


@once("a passive declare of a missing queue is refused with 404")
def missing_queue(t):
    name = t.name()
    t.refused(404, f"NOT_FOUND - no queue '{name}' in vhost '/'", t.con.queue_declare, name, passive=True)


@behaviour("a queue is declared again with the same properties, on another node", SHARED)
def again(t):
    queue = t.queue(arguments={"x-message-ttl": 60000})
    expect(t.pub.queue_declare(queue, arguments={"x-message-ttl": 60000}, **t.flags()).method.queue, queue, "name")


@once("a queue declared with another durable is refused with 406")
def other_durable(t):
    queue = t.queue()
    text = f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{queue}' in vhost '/': received 'false' but current is 'true'"
    t.refused(406, text, t.pub.queue_declare, queue, durable=False)


@behaviour("a queue declared with another auto_delete is refused with 406", SHARED)
def other_auto_delete(t):
    queue = t.queue()
    text = f"PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '{queue}' in vhost '/': received 'true' but current is 'false'"
    t.refused(406, text, t.pub.queue_declare, queue, auto_delete=True, **t.flags())


@behaviour("a queue declared with an argument more, less or other is refused with 406", SHARED)
def other_arguments(t):
    queue = t.queue(arguments={"x-max-length": 10})
    plain = t.queue("plain")
    begin = "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue"
    less = f"{begin} '{queue}' in vhost '/': received none but current is the value '10' of type 'signedint'"
    t.refused(406, less, t.channel(1).queue_declare, queue, **t.flags())
    other = f"{begin} '{queue}' in vhost '/': received '20' but current is '10'"
    t.refused(406, other, t.channel(1).queue_declare, queue, arguments={"x-max-length": 20}, **t.flags())
    more = f"{begin} '{plain}' in vhost '/': received the value '10' of type 'signedint' but current is none"
    t.refused(406, more, t.channel(3).queue_declare, plain, arguments={"x-max-length": 10}, **t.flags())


@behaviour("integer arguments are compared as numbers, whatever their type on the wire", SHARED)
def integer_types(t):
    queue = t.queue(arguments={"x-max-length": 10})
    # pika sends its own type as 64 bits.
    t.pub.queue_declare(queue, arguments={"x-max-length": long(10)}, **t.flags())


@once("a name with the reserved prefix is refused with 403")
def reserved(t):
    text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'"
    t.refused(403, text, t.channel().queue_declare, "amq.mine", durable=True)
    text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'"
    t.refused(403, text, t.channel().exchange_declare, "amq.mine", "direct")


INVALID = [
    ("x-max-length", -5, "{value_negative,-5}"),
    ("x-max-length-bytes", -1, "{value_negative,-1}"),
    ("x-message-ttl", -1, "{value_negative,-1}"),
    ("x-message-ttl", "1000", '"expected integer, got longstr"'),
    ("x-message-ttl", 315360000001, "{value_too_large,315360000001}"),
    ("x-max-length", True, '"expected integer, got bool"'),
    ("x-single-active-consumer", "yes", "{unacceptable_type,longstr}"),
    ("x-overflow", 5, "{unacceptable_type,signedint}"),
    ("x-expires", 0, "{value_zero,0}"),
    ("x-max-priority", 256, "{max_value_exceeded,256}"),
    ("x-overflow", "nowhere", "invalid_overflow"),
    ("x-dead-letter-routing-key", "key", "routing_key_but_no_dlx_defined"),
]


def register_invalid(argument, value, reason):
    @behaviour(f"{argument} = {value!r} is refused with 406", SHARED)
    def invalid(t):
        name = t.name()
        text = f"PRECONDITION_FAILED - invalid arg '{argument}' for queue '{name}' in vhost '/': {reason}"
        t.refused(406, text, t.channel(1).queue_declare, name, arguments={argument: value}, **t.flags())
        t.refused(404, None, t.channel(2).queue_declare, name, passive=True)


for row in INVALID:
    register_invalid(*row)


@behaviour("an argument that is to name an exchange and is no string is refused with 406", SHARED)
def exchange_type(t):
    name = t.name()
    text = f"PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue '{name}' in vhost '/'"
    t.refused(406, text, t.channel(1).queue_declare, name, arguments={"x-dead-letter-exchange": 5}, **t.flags())


@once("an unknown queue type is refused with 406")
def unknown_type(t):
    name = t.name()
    text = f"PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue '{name}' in vhost '/': \"unsupported queue type 'fake'\""
    t.refused(406, text, t.con.queue_declare, name, durable=True, arguments={"x-queue-type": "fake"})


@behaviour("arguments that mean nothing any more, or nothing here, are accepted", SHARED)
def dead_arguments(t):
    arguments = {"x-queue-mode": "lazy", "x-queue-version": 2, "x-max-in-memory-length": 5, "x-cancel-on-ha-failover": True,
                 "x-queue-master-locator": "min-masters", "x-of-the-application": {"a": [1, None]}, "not-even-x": 1}
    queue = t.queue(arguments=arguments)
    t.send(queue, 1)
    expect(t.bodies(queue, 1), ["1"], "bodies")


@once("a durable queue may be declared classic, quorum or without a type")
def types(t):
    for number, arguments in enumerate(({"x-queue-type": "classic"}, {"x-queue-type": "quorum"}, None)):
        queue = t.queue(f"q{number}", arguments=arguments)
        t.send(queue, number)
        expect(t.bodies(queue, 1), [str(number)], "bodies")


@once("a queue of type quorum cannot be transient, exclusive, auto-delete or server-named")
def quorum_properties(t):
    arguments = {"x-queue-type": "quorum"}
    for property, flags in (("non-durable", {}), ("exclusive-owner", {"durable": True, "exclusive": True}),
                            ("auto-delete", {"durable": True, "auto_delete": True})):
        name = t.name(property)
        text = f"PRECONDITION_FAILED - invalid property '{property}' for queue '{name}' in vhost '/'"
        t.refused(406, text, t.channel().queue_declare, name, arguments=arguments, **flags)
    text = "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"
    t.refused(406, text, t.channel().queue_declare, "", durable=True, arguments=arguments)


@behaviour("the same declare on all nodes at once succeeds everywhere", SHARED)
def concurrent(t):
    channels = [t.channel(node) for node in (1, 2, 3)]
    name, answers = t.name(), []
    t.queues.append(name)
    declare = lambda channel: answers.append(channel.queue_declare(name, **t.flags()).method.queue)
    threads = [threading.Thread(target=declare, args=(channel,)) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(answers, [name] * 3, "answers")


@behaviour("an empty name means the channel's last declared queue")
def last_declared(t):
    queue = t.queue()
    exchange = t.exchange("direct")
    t.con.queue_bind("", exchange, "key")
    t.con.queue_bind("", exchange, "")
    t.publish(exchange, "key", "a")
    # An empty name with an empty key binds with the queue's name as key.
    t.publish(exchange, queue, "b")
    expect([t.con.basic_get("", auto_ack=True)[2] for _ in range(2)], [b"a", b"b"], "bodies")
    t.send(queue, 1)
    expect(t.con.queue_purge("").method.message_count, 1, "purged")
    expect(t.con.queue_delete("").method.message_count, 0, "deleted")


@once("an empty name without a declared queue is refused with 404")
def none_declared(t):
    t.refused(404, "NOT_FOUND - no previously declared queue", t.channel().basic_get, "")


@once("an exclusive queue is refused to other connections with 405", EXCLUSIVE)
def exclusive(t):
    queue = t.queue()
    text = (f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'. It could be originally declared on "
            "another connection or the exclusive property value does not match that of the original declaration.")
    connection = t.connection(1)
    for use in (lambda c: c.queue_declare(queue, passive=True), lambda c: c.queue_declare(queue, exclusive=True),
                lambda c: c.basic_get(queue), lambda c: c.queue_purge(queue), lambda c: c.queue_delete(queue),
                lambda c: c.basic_consume(queue, print), lambda c: c.queue_bind(queue, "amq.direct", "k")):
        t.refused(405, text, use, connection.channel())
    # Another channel of its connection may.
    t.con.connection.channel().queue_declare(queue, passive=True)


@once("an exclusive queue ends with its connection, on every node", EXCLUSIVE)
def exclusive_end(t):
    channel = t.channel(2)
    queue = t.queue(channel=channel)
    channel.connection.close()

    def gone(node):
        try:
            t.channel(node).queue_declare(queue, passive=True)
        except ChannelClosedByBroker as error:
            return error.reply_code == 404
        return False

    for node in (1, 3):
        t.until(lambda: gone(node), "the queue's end")


@behaviour("if_unused and if_empty are refused with 406, and deletion tells how many messages went")
def conditions(t):
    queue = t.queue()
    t.send(queue, 1, 2)
    channel = t.con.connection.channel()
    t.refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty", channel.queue_delete, queue, if_empty=True)
    consumer = t.consume(queue)
    consumer.wait(2)
    consumer.channel.basic_nack(0, multiple=True)
    channel = t.con.connection.channel()
    t.refused(406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use", channel.queue_delete, queue, if_unused=True)
    consumer.cancel()
    t.con.basic_nack(0, multiple=True)
    t.comes_to(queue, 2)
    expect(t.con.queue_delete(queue, if_unused=True).method.message_count, 2, "deleted")


@behaviour("a queue declared anew never has the messages of the one before", SHARED)
def reincarnation(t):
    for number in range(3):
        queue = t.queue()
        expect(t.ready(queue), 0, "messages")
        t.send(queue, number, number)
        t.channel(3).queue_delete(queue)


@behaviour("an auto-delete queue goes with its last consumer, before cancel-ok", (TRANSIENT, EXCLUSIVE))
def auto_delete(t):
    queue = t.queue("q", None, t.con, auto_delete=True, exclusive=t.kind == EXCLUSIVE)
    first, second = t.consume(queue), t.consume(queue)
    first.cancel()
    t.con.queue_declare(queue, passive=True)
    second.cancel()
    t.refused(404, None, t.con.queue_declare, queue, passive=True)


@once("an auto-delete queue that never had a consumer stays", TRANSIENT)
def auto_delete_unused(t):
    queue = t.queue("q", None, t.con, auto_delete=True)
    t.send(queue, 1)
    t.get(queue)
    t.con.close()
    t.channel(1).queue_declare(queue, passive=True)


@once("an auto-delete queue goes when its last consumer's connection does", TRANSIENT)
def auto_delete_connection(t):
    queue = t.queue("q", None, t.con, auto_delete=True)
    t.consume(queue, t.channel(3)).channel.connection.close()

    def gone():
        try:
            t.channel(1).queue_declare(queue, passive=True)
        except ChannelClosedByBroker as error:
            return error.reply_code == 404
        return False

    t.until(gone, "the queue's end")


@once("a durable auto-delete queue works and goes with its last consumer")
def auto_delete_durable(t):
    queue = t.queue("q", None, t.con, durable=True, auto_delete=True)
    t.send(queue, 1)
    consumer = t.consume(queue, ack=True)
    consumer.wait(1)
    consumer.cancel()
    t.refused(404, None, t.channel(1).queue_declare, queue, passive=True)


@once("deletion of a queue or exchange that is not there succeeds")
def delete_missing(t):
    expect(t.con.queue_delete(t.name()).method.message_count, 0, "deleted")
    t.con.exchange_delete(t.name("x"))


@once("an unknown exchange type is refused with 406")
def unknown_exchange_type(t):
    t.refused(406, "PRECONDITION_FAILED - unknown exchange type 'x-none'", t.con.exchange_declare, t.name(), "x-none")


@once("an exchange declared with other properties is refused with 406")
def other_exchange(t):
    exchange = t.exchange("direct")
    begin = f"for exchange '{exchange}' in vhost '/': received"
    text = f"PRECONDITION_FAILED - inequivalent arg 'type' {begin} 'topic' but current is 'direct'"
    t.refused(406, text, t.channel(2).exchange_declare, exchange, "topic", durable=True)
    text = f"PRECONDITION_FAILED - inequivalent arg 'durable' {begin} 'false' but current is 'true'"
    t.refused(406, text, t.channel(3).exchange_declare, exchange, "direct")
    text = f"PRECONDITION_FAILED - inequivalent arg 'auto_delete' {begin} 'true' but current is 'false'"
    t.refused(406, text, t.channel(1).exchange_declare, exchange, "direct", durable=True, auto_delete=True)
    text = f"PRECONDITION_FAILED - inequivalent arg 'internal' {begin} 'true' but current is 'false'"
    t.refused(406, text, t.channel(1).exchange_declare, exchange, "direct", durable=True, internal=True)
    text = f"PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' {begin} the value 'other' of type 'longstr' but current is none"
    t.refused(406, text, t.channel(2).exchange_declare, exchange, "direct", durable=True, arguments={"alternate-exchange": "other"})


@once("a passive declare of a missing exchange is refused with 404")
def missing_exchange(t):
    name = t.name("x")
    t.refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'", t.con.exchange_declare, name, "direct", passive=True)


@once("the exchanges that are always there cannot be deleted, and the default one cannot be bound")
def predeclared(t):
    for name, kind in (("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"), ("amq.headers", "headers"),
                       ("amq.match", "headers")):
        t.con.exchange_declare(name, kind, passive=True)
    text = "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed"
    t.refused(403, text, t.channel().exchange_delete, "amq.direct")
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    queue = t.queue()
    t.refused(403, text, t.channel().queue_bind, queue, "", "key")
    t.refused(403, text, t.channel().exchange_delete, "")
    t.refused(403, text, t.channel().exchange_declare, "", "direct")


@once("an exchange that is bound is in use: if_unused is refused with 406")
def exchange_in_use(t):
    exchange, queue = t.exchange("direct"), t.queue()
    t.con.queue_bind(queue, exchange, "key")
    text = f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use"
    t.refused(406, text, t.channel(3).exchange_delete, exchange, if_unused=True)
    t.con.queue_unbind(queue, exchange, "key")
    t.channel(1).exchange_delete(exchange, if_unused=True)
    t.refused(404, None, t.channel(2).exchange_declare, exchange, passive=True)


@once("an internal exchange takes nothing from publishers with 403, but passes on what comes from an exchange")
def internal(t):
    inner, outer, queue = t.exchange("fanout", "inner", internal=True), t.exchange("fanout", "outer"), t.queue()
    t.con.exchange_bind(inner, outer)
    t.con.queue_bind(queue, inner)
    t.publish(outer, "", 1)
    expect(t.bodies(queue, 1), ["1"], "bodies")
    text = f"ACCESS_REFUSED - cannot publish to internal exchange '{inner}' in vhost '/'"
    t.refused(403, text, t.publish, inner, "", 2)


@behaviour("an auto-delete exchange goes with its last binding, and so does a chain of them")
def auto_delete_exchange(t):
    first = t.exchange("fanout", "first", auto_delete=True)
    second = t.exchange("fanout", "second", auto_delete=True)
    queue = t.queue()
    t.con.exchange_bind(second, first)
    t.con.queue_bind(queue, second)
    t.publish(first, "", 1)
    expect(t.bodies(queue, 1), ["1"], "bodies")
    t.con.queue_delete(queue)
    for exchange in (second, first):
        t.refused(404, None, t.channel(3).exchange_declare, exchange, passive=True)


@once("an auto-delete exchange that was never bound stays")
def auto_delete_exchange_unbound(t):
    exchange = t.exchange("fanout", auto_delete=True)
    t.channel(2).exchange_declare(exchange, passive=True)
