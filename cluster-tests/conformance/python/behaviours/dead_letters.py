"""Dead letters: reasons, what is written into the message, order, cycles, strategies."""

from .support import *


def lettering(t, exchange="", key=None, **arguments):
    """A queue whose dead letters go to another: (queue, dead)."""
    dead = t.queue("dead")
    queue = t.queue("source", {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key or dead,
                               **{name.replace("_", "-"): value for name, value in arguments.items()}})
    return queue, dead


def only_death(message):
    deaths = message.headers["x-death"]
    expect(len(deaths), 1, f"deaths {deaths}")
    return deaths[0]


@behaviour("a rejected message becomes a dead letter with its whole history")
def rejected(t):
    exchange = t.exchange("topic")
    queue, dead = lettering(t)
    t.con.queue_bind(queue, exchange, "a.#")
    t.publish(exchange, "a.b", "m", headers={"mine": 1}, content_type="text/plain", message_id="id")
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    message = t.get(dead)
    death = only_death(message)
    expect({name: death[name] for name in ("queue", "reason", "count", "exchange", "routing-keys")},
           {"queue": queue, "reason": "rejected", "count": 1, "exchange": exchange, "routing-keys": ["a.b"]}, "x-death")
    check(type(death["time"]).__name__ == "datetime", f"time {death['time']!r}")
    check("original-expiration" not in death, f"x-death {death}")
    expect({name: message.headers[name] for name in ("x-first-death-queue", "x-first-death-reason", "x-first-death-exchange", "mine")},
           {"x-first-death-queue": queue, "x-first-death-reason": "rejected", "x-first-death-exchange": exchange, "mine": 1}, "headers")
    expect((message.properties.content_type, message.properties.message_id, message.body, message.method.exchange,
            message.method.routing_key, message.redelivered), ("text/plain", "id", b"m", "", dead, False), "message")


@behaviour("dead letters tell the last death too")
def last_death(t):
    queue, dead = lettering(t)
    t.send(queue, "m")
    t.con.basic_nack(t.get(queue, ack=False).tag, requeue=False)
    headers = t.get(dead).headers
    expect({name: headers.get(name) for name in ("x-last-death-queue", "x-last-death-reason", "x-last-death-exchange")},
           {"x-last-death-queue": queue, "x-last-death-reason": "rejected", "x-last-death-exchange": ""}, "headers")


@behaviour("an expired message becomes a dead letter without its expiration")
def expired(t):
    queue, dead = lettering(t)
    t.send(queue, "own", expiration="100")
    message = t.get(dead)
    death = only_death(message)
    expect((death["reason"], death["original-expiration"], message.properties.expiration), ("expired", "100", None), "death")


@behaviour("messages that expire by their queue's TTL become dead letters in order")
def expired_order(t):
    queue, dead = lettering(t, x_message_ttl=200)
    t.send(queue, *range(20))
    expect(t.bodies(dead, 20), [str(number) for number in range(20)], "bodies")


@behaviour("messages beyond the length become dead letters in order")
def maxlen(t):
    queue, dead = lettering(t, x_max_length=2)
    t.send(queue, *range(8))
    letters = [t.get(dead) for _ in range(6)]
    expect([m.body for m in letters], [b"%d" % number for number in range(6)], "bodies")
    expect({only_death(m)["reason"] for m in letters}, {"maxlen"}, "reasons")
    expect(t.bodies(queue, 2), ["6", "7"], "bodies left")


@behaviour("rejected messages become dead letters in order")
def rejected_order(t):
    queue, dead = lettering(t)
    t.send(queue, *range(20))
    consumer = t.consume(queue)
    consumer.wait(20)
    t.con.basic_nack(consumer.messages[9].tag, multiple=True, requeue=False)
    t.con.basic_nack(0, multiple=True, requeue=False)
    expect(t.bodies(dead, 20), [str(number) for number in range(20)], "bodies")


@once("a message delivered more often than the limit becomes a dead letter")
def delivery_limit(t):
    queue, dead = lettering(t, x_delivery_limit=1, x_queue_type="quorum")
    t.send(queue, "m")
    for _ in range(2):
        t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    expect(only_death(t.get(dead))["reason"], "delivery_limit", "reason")


@behaviour("without a routing key a dead letter keeps its own")
def own_key(t):
    exchange, dead = t.exchange("topic", "dlx"), t.queue("dead")
    t.con.queue_bind(dead, exchange, "#")
    queue = t.queue("source", {"x-dead-letter-exchange": exchange})
    t.send(queue, "m", headers={"CC": ["other"]})
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    message = t.get(dead)
    expect((message.method.exchange, message.method.routing_key), (exchange, queue), "routing")
    expect((only_death(message)["routing-keys"], message.headers["CC"]), ([queue, "other"], ["other"]), "keys")


@behaviour("with a routing key CC goes, and the history has it")
def cc_removed(t):
    queue, dead = lettering(t)
    t.send(queue, "m", headers={"CC": ["other"]})
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    message = t.get(dead)
    expect(message.headers.get("CC"), None, "CC")
    expect(only_death(message)["routing-keys"], [queue, "other"], "routing keys")


@behaviour("deaths of the same queue and reason are counted, others are put before them")
def counted(t):
    dead = t.name("dead")
    queue = t.queue("source", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
    t.queue("dead", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-message-ttl": 50})
    t.send(queue, "m")
    for _ in range(3):
        t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    message = t.get(queue)
    deaths = [(death["queue"], death["reason"], death["count"]) for death in message.headers["x-death"]]
    expect(deaths, [(dead, "expired", 3), (queue, "rejected", 3)], "x-death")
    expect((message.headers["x-first-death-queue"], message.headers["x-first-death-reason"]), (queue, "rejected"), "first death")


@behaviour("a cycle in which nobody rejects ends: the message is dropped")
def cycle(t):
    queue = t.queue("q", {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": t.name("q")})
    t.send(queue, "m")
    t.comes_to(queue, 0)
    t.pause(0.2)
    t.nothing(queue)


@behaviour("a cycle of two queues in which nobody rejects ends too")
def cycle_of_two(t):
    one = t.queue("one", {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": t.name("two")})
    two = t.queue("two", {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": one})
    t.send(one, "m")
    t.pause(0.4)
    t.until(lambda: t.ready(one) + t.ready(two) == 0, "the end of the cycle")


@behaviour("x-death that a client made up does not end a message's way")
def made_up(t):
    queue = t.queue("q", {"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": t.name("dead")})
    dead = t.queue("dead")
    death = {"queue": queue, "reason": "expired", "count": 7, "exchange": "", "routing-keys": [queue]}
    t.send(queue, "m", headers={"x-death": [death]})
    deaths = t.get(dead).headers["x-death"]
    expect((deaths[0]["queue"], deaths[0]["reason"]), (queue, "expired"), "x-death")


@behaviour("dead letters for an exchange that is missing are dropped")
def missing_exchange(t):
    queue = t.queue("q", {"x-dead-letter-exchange": t.name("missing")})
    t.send(queue, "m")
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    t.comes_to(queue, 0)


@behaviour("a dead letter goes to every queue that its exchange routes it to")
def fanned_out(t):
    exchange = t.exchange("fanout", "dlx")
    targets = [t.queue(f"dead{number}") for number in range(3)]
    for target in targets:
        t.con.queue_bind(target, exchange)
    queue = t.queue("source", {"x-dead-letter-exchange": exchange})
    t.send(queue, *range(5))
    consumer = t.consume(queue)
    consumer.wait(5)
    t.con.basic_nack(0, multiple=True, requeue=False)
    for target in targets:
        expect(t.bodies(target, 5), list("01234"), f"bodies of {target}")


@behaviour("messages of a deleted or purged queue are no dead letters")
def deleted(t):
    queue, dead = lettering(t)
    t.send(queue, 1)
    t.con.queue_purge(queue)
    t.send(queue, 2)
    t.con.queue_delete(queue)
    t.pause(0.2)
    t.nothing(dead)


AT_LEAST_ONCE = {"x_dead_letter_strategy": "at-least-once", "x_overflow": "reject-publish", "x_queue_type": "quorum"}


@once("at-least-once dead letters wait for their target, and then arrive once and in order")
def at_least_once(t):
    target = t.name("target")
    queue, _ = lettering(t, key=target, **AT_LEAST_ONCE)
    t.send(queue, *range(5), expiration="50")
    t.pause(0.4)
    t.queue("target")
    expect(t.bodies(target, 5), list("01234"), "bodies")
    t.nothing(target)


@once("at-least-once dead letters wait until a full target has room")
def at_least_once_full(t):
    queue, dead = lettering(t, key=t.name("full"), **AT_LEAST_ONCE)
    full = t.queue("full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    t.send(queue, *range(6), expiration="50")
    bodies = []
    t.until(lambda: bodies.extend(t.bodies(full, min(1, t.ready(full)))) or len(bodies) == 6, lambda: f"all letters: {bodies}")
    expect(sorted(bodies), list("012345"), "bodies")


@once("at-least-once dead letters reach their target for each reason")
def at_least_once_reasons(t):
    queue, dead = lettering(t, x_delivery_limit=1, **AT_LEAST_ONCE)
    t.send(queue, "rejected")
    t.con.basic_reject(t.get(queue, ack=False).tag, requeue=False)
    t.send(queue, "expired", expiration="50")
    expect([t.get(dead).body for _ in range(2)], [b"rejected", b"expired"], "bodies")
    t.send(queue, "limit")
    for _ in range(2):
        t.con.basic_reject(t.get(queue, ack=False).tag, requeue=True)
    expect(only_death(t.get(dead))["reason"], "delivery_limit", "reason")
