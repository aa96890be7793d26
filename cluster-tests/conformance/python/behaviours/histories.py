"""Exchanges that keep their last messages for whatever is bound to them later."""

from .support import *

NO_STORE = {"x-recent-history-no-store": True}


def history_exchange(t, length=None, **more):
    arguments = {} if length is None else {"x-recent-history-length": length}
    return t.exchange("x-recent-history", "h", arguments=arguments, **more)


@behaviour("what is bound to a recent history exchange gets its last messages, the oldest first, and then new ones", (REPLICATED, TRANSIENT, EXCLUSIVE))
def history(t):
    exchange = history_exchange(t, 3)
    for number in range(5):
        t.publish(exchange, f"key{number}", number)
    queue = t.queue()
    t.con.queue_bind(queue, exchange, "")
    t.publish(exchange, "", "new")
    messages = [t.get(queue) for _ in range(4)]
    expect([message.body for message in messages], [b"2", b"3", b"4", b"new"], "bodies")
    expect([message.method.routing_key for message in messages], ["key2", "key3", "key4", ""], "routing keys")
    expect({message.method.exchange for message in messages}, {exchange}, "exchanges")
    t.con.queue_bind(queue, exchange, "")
    t.nothing(queue)


@once("a recent history exchange keeps 20 messages when it does not say how many")
def default_length(t):
    exchange, queue = history_exchange(t), t.queue()
    for number in range(30):
        t.publish(exchange, "", number)
    t.con.queue_bind(queue, exchange, "")
    expect(t.bodies(queue, 20), [str(number) for number in range(10, 30)], "bodies")
    t.nothing(queue)


@once("a message with x-recent-history-no-store is not kept, but routed")
def no_store(t):
    exchange, first, later = history_exchange(t), t.queue("first"), t.queue("later")
    t.con.queue_bind(first, exchange, "")
    t.publish(exchange, "", "kept")
    t.publish(exchange, "", "not kept", headers=NO_STORE)
    t.con.queue_bind(later, exchange, "")
    expect(t.bodies(first, 2), ["kept", "not kept"], "bodies")
    expect(t.bodies(later, 1), ["kept"], "bodies of the queue that was bound later")
    t.nothing(later)


@once("an exchange that is bound to a recent history exchange routes what was kept")
def to_exchange(t):
    history, topic, queue = history_exchange(t), t.exchange("topic", "t"), t.queue()
    t.con.queue_bind(queue, topic, "a.*")
    for key in ("a.1", "b.1", "a.2"):
        t.publish(history, key, key)
    t.con.exchange_bind(topic, history)
    expect(t.bodies(queue, 2), ["a.1", "a.2"], "bodies")
    t.nothing(queue)


@once("what comes to a recent history exchange from another exchange, or as a dead letter, is kept too")
def from_elsewhere(t):
    history, fanout = history_exchange(t), t.exchange("fanout", "f")
    dying = t.queue("dying", {"x-dead-letter-exchange": history, "x-message-ttl": 1})
    t.con.exchange_bind(history, fanout)
    t.publish(fanout, "", "passed on")
    t.send(dying, "dead")

    channel = t.channel(3)

    def both_are_kept():
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, history)
        return channel.queue_declare(queue, passive=True).method.message_count == 2

    t.until(both_are_kept, "both are kept")


@once("what no queue gets is returned though it is kept, and confirmed")
def unroutable(t):
    exchange, queue = history_exchange(t), t.queue()
    try:
        t.publish(exchange, "", "m", mandatory=True)
    except UnroutableError:
        pass
    else:
        raise AssertionError("the message did not come back")
    t.con.queue_bind(queue, exchange, "")
    expect(t.bodies(queue, 1), ["m"], "bodies")


@once("a recent history is gone with its exchange, and cannot be reached as a queue")
def gone(t):
    exchange, queue = history_exchange(t), t.queue()
    t.publish(exchange, "", "old")
    t.refused(404, None, t.channel(1).queue_declare, exchange, passive=True)
    t.con.exchange_delete(exchange)
    exchange = history_exchange(t)
    t.con.queue_bind(queue, exchange, "")
    t.nothing(queue)


@once("a recent history length that is no positive integer is refused with 406")
def wrong_length(t):
    for value, shown in ((0, "0"), (-1, "-1"), ("three", '<<"three">>')):
        text = f"PRECONDITION_FAILED - Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
        declare = t.channel(2).exchange_declare
        t.refused(406, text, declare, t.name("x"), "x-recent-history", arguments={"x-recent-history-length": value})
