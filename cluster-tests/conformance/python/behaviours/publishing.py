"""Confirms, returns and transactions."""

from .support import *


@behaviour("a confirm means that the message is in every queue that it was routed to")
def confirmed(t):
    exchange = t.exchange("fanout")
    queues = [t.queue(f"q{number}") for number in range(3)]
    for queue in queues:
        t.con.queue_bind(queue, exchange)
    for number in range(10):
        t.publish(exchange, "", number)
        expect([t.ready(queue) for queue in queues], [number + 1] * 3, "messages")


@once("what is routed nowhere is confirmed, and returned before that when it is mandatory")
def unroutable(t):
    t.publish("amq.direct", t.name(), "dropped")
    try:
        t.publish("amq.direct", t.name(), "back", mandatory=True, message_id="m")
    except UnroutableError as error:
        back = error.messages[0]
        expect((back.method.reply_code, back.method.reply_text, back.method.exchange, back.method.routing_key, back.body,
                back.properties.message_id), (312, "NO_ROUTE", "amq.direct", t.name(), b"back", "m"), "return")
    else:
        raise AssertionError("nothing was returned")


@behaviour("a publish to a queue that was deleted meanwhile is confirmed")
def deleted(t):
    queue = t.queue()
    t.send(queue, 1)
    t.con.queue_delete(queue)
    t.send(queue, 2)


@once("a channel cannot have confirms and transactions, whichever comes first")
def modes(t):
    channel = t.channel(1)
    channel.tx_select()
    t.refused(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode", channel.confirm_delivery)
    channel = t.channel(2)
    channel.confirm_delivery()
    t.refused(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode", channel.tx_select)


@once("commit and rollback without a transaction are refused with 406")
def no_transaction(t):
    text = "PRECONDITION_FAILED - channel is not transactional"
    t.refused(406, text, t.channel(1).tx_commit)
    t.refused(406, text, t.channel(2).tx_rollback)


@behaviour("publishes of a transaction are there after commit, all of them, and not before")
def commit(t):
    queue, other = t.queue(), t.queue("other")
    channel = t.channel(1)
    channel.tx_select()
    for number in range(3):
        t.publish("", queue, number, channel=channel)
    t.publish("", other, "o", channel=channel)
    t.pause(0.1)
    expect((t.ready(queue), t.ready(other)), (0, 0), "messages before commit")
    channel.tx_commit()
    expect((t.ready(queue), t.ready(other)), (3, 1), "messages after commit")
    expect(t.bodies(queue, 3), ["0", "1", "2"], "bodies")


@behaviour("publishes of a transaction are gone after rollback, and the next transaction is a new one")
def rollback(t):
    queue = t.queue()
    channel = t.channel(1)
    channel.tx_select()
    t.publish("", queue, "gone", channel=channel)
    channel.tx_rollback()
    t.publish("", queue, "stays", channel=channel)
    channel.tx_commit()
    channel.tx_commit()
    expect(t.bodies(queue, 1), ["stays"], "bodies")
    t.nothing(queue)


@behaviour("a transaction that is not committed ends with its channel, without effect")
def closed(t):
    queue = t.queue()
    t.send(queue, "held")
    channel = t.con.connection.channel()
    channel.tx_select()
    channel.basic_ack(t.get(queue, ack=False, channel=channel).tag)
    t.publish("", queue, "gone", channel=channel)
    channel.close()
    expect(t.bodies(queue, 1), ["held"], "bodies")
    t.nothing(queue)


@behaviour("acks of a transaction count from commit on, and rollback takes them back without requeue")
def acks(t):
    queue = t.queue()
    t.send(queue, 1, 2)
    channel = t.con.connection.channel()
    channel.tx_select()
    first, second = t.get(queue, ack=False, channel=channel), t.get(queue, ack=False, channel=channel)
    channel.basic_ack(first.tag)
    channel.tx_rollback()
    t.nothing(queue)
    # What was acknowledged and rolled back is still held, and can be acknowledged.
    channel.basic_ack(first.tag)
    channel.basic_nack(second.tag, requeue=True)
    t.nothing(queue)
    channel.tx_commit()
    expect(t.bodies(queue, 1), ["2"], "bodies")
    channel.close()
    t.nothing(queue)


@behaviour("a rejected message of a transaction becomes a dead letter with commit")
def reject(t):
    dead = t.queue("dead")
    queue = t.queue("q", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    t.send(queue, 1)
    channel = t.con.connection.channel()
    channel.tx_select()
    channel.basic_reject(t.get(queue, ack=False, channel=channel).tag, requeue=False)
    t.pause(0.1)
    t.nothing(dead)
    channel.tx_commit()
    expect(t.bodies(dead, 1), ["1"], "bodies")


@once("mandatory publishes of a transaction are returned with commit")
def transaction_returns(t):
    channel = t.channel(1)
    returned = []
    channel.add_on_return_callback(lambda _c, method, _p, body: returned.append((method.reply_code, body)))
    channel.tx_select()
    t.publish("", t.name("missing"), "back", mandatory=True, channel=channel)
    channel.connection.process_data_events(time_limit=0.1)
    expect(returned, [], "returns before commit")
    channel.tx_commit()
    t.until(lambda: returned, "a return", channel.connection)
    expect(returned, [(312, b"back")], "returns")
