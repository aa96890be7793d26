"""Policies, set through the HTTP API of one node, at work on all."""

import re

from .support import *


def policy(t, definition, pattern=None, apply_to="queues", priority=0, suffix="policy", kind="policies"):
    """Sets a policy for this test's objects."""
    path = f"{kind}/%2F/{t.name(suffix)}"
    body = {"pattern": pattern or f"^{re.escape(t.prefix)}\\.", "definition": definition, "priority": priority, "apply-to": apply_to}
    t.cleanups.append(lambda: call(t, "DELETE", path))
    put(t, path, body)


def unset(t, suffix="policy", kind="policies"):
    expect(call(t, "DELETE", f"{kind}/%2F/{t.name(suffix)}")[0], 204, "status of DELETE")


@behaviour("a policy's message-ttl comes and goes with the policy", http=True)
def message_ttl(t):
    queue = t.queue()
    policy(t, {"message-ttl": 100})
    t.until(lambda: (t.send(queue, "m"), t.pause(0.3), t.ready(queue))[-1] == 0, "expiry")
    unset(t)
    t.until(lambda: (t.send(queue, "m"), t.pause(0.3), t.ready(queue))[-1] > 0, "a message that stays")


@behaviour("a policy's max-length drops, and its overflow rejects", http=True)
def max_length(t):
    queue = t.queue()
    policy(t, {"max-length": 2})
    t.until(lambda: (t.send(queue, "m"), t.ready(queue))[-1] <= 2, "a drop")
    t.con.queue_purge(queue)
    policy(t, {"max-length": 1, "overflow": "reject-publish"})

    def rejected():
        try:
            t.send(queue, "m")
        except NackError:
            return True
        return False

    t.until(rejected, "a nack")
    unset(t)
    t.until(lambda: not rejected(), "a confirm")


@behaviour("a policy's dead-letter exchange is used, and the shorter of argument and policy counts", http=True)
def dead_letters(t):
    exchange = t.exchange("fanout", "dlx")
    # Named so that the policy does not fit it.
    queue = t.queue("source", {"x-message-ttl": 60000})
    dead = t.con.queue_declare("", exclusive=True).method.queue
    t.con.queue_bind(dead, exchange)
    policy(t, {"dead-letter-exchange": exchange, "message-ttl": 100})
    t.until(lambda: (t.send(queue, "m"), t.pause(0.3), t.ready(dead))[-1] > 0, "a dead letter")
    expect(t.get(dead).headers["x-death"][0]["reason"], "expired", "reason")


@once("of several policies the one of highest priority counts, and operator policies limit on top", http=True)
def several(t):
    queue = t.queue()
    policy(t, {"max-length": 50}, suffix="low", priority=1)
    policy(t, {"max-length": 4}, suffix="high", priority=5)
    policy(t, {"max-length": 3}, suffix="operator", kind="operator-policies")
    t.until(lambda: (t.con.queue_purge(queue), t.send(queue, *range(6)), t.ready(queue))[-1] == 3, "the operator's limit")
    unset(t, "operator", "operator-policies")
    t.until(lambda: (t.con.queue_purge(queue), t.send(queue, *range(6)), t.ready(queue))[-1] == 4, "the limit of higher priority")


@once("a policy gives an exchange its alternate", http=True)
def alternate(t):
    alternate, exchange, queue = t.exchange("fanout", "alternate"), t.exchange("direct"), t.queue()
    t.con.queue_bind(queue, alternate)
    policy(t, {"alternate-exchange": alternate}, pattern=f"^{re.escape(exchange)}$", apply_to="exchanges")
    t.until(lambda: (t.publish(exchange, "nowhere", "m"), t.ready(queue))[-1] > 0, "a message through the alternate")


@once("a policy's expires ends a queue that is not used", http=True)
def expires(t):
    queue = t.queue()
    policy(t, {"expires": 200})

    def gone():
        t.pause(0.4)
        try:
            t.con.connection.channel().queue_declare(queue, passive=True)
        except ChannelClosedByBroker as error:
            return error.reply_code == 404
        return False

    t.until(gone, "the queue's end")


@once("a policy with a value that makes no sense is refused with 400", http=True)
def invalid(t):
    path = f"policies/%2F/{t.name('policy')}"
    body = {"pattern": "^nothing$", "definition": {"max-length": -1}, "apply-to": "queues"}
    expect(call(t, "PUT", path, body)[0], 400, "status")
