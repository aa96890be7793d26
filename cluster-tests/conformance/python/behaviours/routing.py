"""Exchange types, bindings, alternate exchanges, CC and BCC."""

from .support import *


def arrives(t, queue, publishes, expected):
    """Publishes (exchange, key, properties) with their number as body; the queue gets those expected and no other."""
    for number, (exchange, key, properties) in enumerate(publishes):
        t.publish(exchange, key, number, **properties)
    expect(t.bodies(queue, len(expected)), [str(number) for number in expected], "bodies")
    t.nothing(queue)


@behaviour("a direct exchange routes by equal key")
def direct(t):
    exchange, queue = t.exchange("direct"), t.queue()
    t.con.queue_bind(queue, exchange, "a")
    t.con.queue_bind(queue, exchange, "")
    arrives(t, queue, [(exchange, key, {}) for key in ("a", "b", "", "A")], [0, 2])


@behaviour("a fanout exchange routes to every queue, whatever the key")
def fanout(t):
    exchange, one, two = t.exchange("fanout"), t.queue("one"), t.queue("two")
    t.con.queue_bind(one, exchange, "ignored")
    t.con.queue_bind(two, exchange)
    t.publish(exchange, "any", "m")
    expect([t.bodies(one, 1), t.bodies(two, 1)], [["m"], ["m"]], "bodies")


@once("a topic exchange matches * with one word and # with any number, any number of times")
def topic(t):
    exchange = t.exchange("topic")
    cases = {"#": "a.b a  a.b.c", "*": "a b", "a.*": "a.b", "a.#": "a a.b a.b.c", "#.c": "a.b.c c", "*.b.*": "a.b.c", "": " ",
             "#.#.b.#.#.c.#": "a.b.c", "a.#.*": "a.b a.b.c"}
    keys = ["a", "b", "c", "", "a.b", "a.b.c"]
    queues = {}
    for number, pattern in enumerate(cases):
        queues[pattern] = t.queue(f"q{number}")
        t.con.queue_bind(queues[pattern], exchange, pattern)
    for key in keys:
        t.publish(exchange, key, key or "empty")
    wanted = {"#": keys, "*": ["a", "b", "c"], "a.*": ["a.b"], "a.#": ["a", "a.b", "a.b.c"], "#.c": ["c", "a.b.c"], "*.b.*": ["a.b.c"],
              "": [""], "#.#.b.#.#.c.#": ["a.b.c"], "a.#.*": ["a.b", "a.b.c"]}
    for pattern, queue in queues.items():
        expect(t.drain(queue), [key or "empty" for key in wanted[pattern]], f"keys that match {pattern!r}")


@once("a headers exchange matches all or any of a binding's headers")
def headers(t):
    exchange = t.exchange("headers")
    bindings = {"all": {"x-match": "all", "a": 1, "b": "two"}, "any": {"x-match": "any", "a": 1, "b": "two"},
                "default": {"a": 1, "b": "two"}, "present": {"x-match": "all", "a": None}, "void": {"x-match": "all"}}
    queues = {name: t.queue(name) for name in bindings}
    for name, arguments in bindings.items():
        t.con.queue_bind(queues[name], exchange, "", arguments)
    for name, sent in (("both", {"a": 1, "b": "two", "c": 3}), ("one", {"a": 1}), ("other", {"a": 2, "b": "three"}), ("none", {})):
        t.publish(exchange, "", name, headers=sent)
    t.publish(exchange, "", "bare")
    wanted = {"all": ["both"], "any": ["both", "one"], "default": ["both"], "present": ["both", "one", "other"],
              "void": ["both", "one", "other", "none", "bare"]}
    for name, queue in queues.items():
        expect(t.drain(queue), wanted[name], f"messages of {name}")


@once("a headers exchange looks at headers that begin with x- only when the binding says so")
def headers_with_x(t):
    exchange = t.exchange("headers")
    queues = {match: t.queue(match) for match in ("all", "all-with-x", "any-with-x")}
    for match, queue in queues.items():
        t.con.queue_bind(queue, exchange, "", {"x-match": match, "x-key": 1, "plain": 1})
    t.publish(exchange, "", "plain", headers={"plain": 1})
    t.publish(exchange, "", "x", headers={"x-key": 1})
    t.publish(exchange, "", "both", headers={"plain": 1, "x-key": 1})
    wanted = {"all": ["plain", "both"], "all-with-x": ["both"], "any-with-x": ["plain", "x", "both"]}
    for match, queue in queues.items():
        expect(t.drain(queue), wanted[match], f"messages of {match}")


@once("an unknown x-match is refused with 406")
def headers_match(t):
    exchange, queue = t.exchange("headers"), t.queue()
    t.refused(406, None, t.con.queue_bind, queue, exchange, "", {"x-match": "some"})


@behaviour("a binding made twice is one, and several that match bring one copy")
def twice(t):
    exchange, queue = t.exchange("topic"), t.queue()
    for key in ("a.*", "a.*", "#"):
        t.con.queue_bind(queue, exchange, key)
    t.con.queue_bind(queue, exchange, "a.*", {"note": 1})
    arrives(t, queue, [(exchange, "a.b", {})], [0])
    t.con.queue_unbind(queue, exchange, "#")
    t.con.queue_unbind(queue, exchange, "a.*")
    # The binding with an argument is another one.
    arrives(t, queue, [(exchange, "a.c", {})], [0])
    t.con.queue_unbind(queue, exchange, "a.*", {"note": 1})
    arrives(t, queue, [(exchange, "a.d", {})], [])


@behaviour("an unbind of what is not bound succeeds")
def unbind_missing(t):
    exchange, queue = t.exchange("direct"), t.queue()
    t.con.queue_unbind(queue, exchange, "nothing")
    t.con.exchange_unbind(exchange, "amq.fanout", "nothing")


@once("a bind with a missing queue or exchange is refused with 404")
def bind_missing(t):
    exchange, queue, missing = t.exchange("direct"), t.queue(), t.name("missing")
    t.refused(404, f"NOT_FOUND - no queue '{missing}' in vhost '/'", t.channel(1).queue_bind, missing, exchange, "k")
    t.refused(404, f"NOT_FOUND - no exchange '{missing}' in vhost '/'", t.channel(2).queue_bind, queue, missing, "k")
    t.refused(404, f"NOT_FOUND - no exchange '{missing}' in vhost '/'", t.channel(3).exchange_bind, exchange, missing, "k")
    t.refused(404, f"NOT_FOUND - no exchange '{missing}' in vhost '/'", t.channel(3).exchange_bind, missing, exchange, "k")


@behaviour("a binding made on one node routes what is published on another at once", SHARED)
def bound_elsewhere(t):
    exchange, queue = t.exchange("direct"), t.queue()
    for number in range(10):
        t.con.queue_bind(queue, exchange, f"key{number}")
        t.publish(exchange, f"key{number}", number, channel=t.pub)
        expect(t.bodies(queue, 1), [str(number)], "bodies")


@behaviour("exchanges bound to exchanges route through, cycles included")
def exchange_to_exchange(t):
    first, second, third = (t.exchange("topic", suffix) for suffix in ("first", "second", "third"))
    queue = t.queue()
    t.con.exchange_bind(second, first, "a.#")
    t.con.exchange_bind(third, second, "#.b")
    t.con.exchange_bind(first, third, "#")
    t.con.queue_bind(queue, third, "#")
    publishes = [(first, "a.b", {}), (first, "a.c", {}), (first, "b.b", {}), (second, "x.b", {}), (third, "any", {})]
    arrives(t, queue, publishes, [0, 3, 4])
    t.con.exchange_unbind(third, second, "#.b")
    arrives(t, queue, [(first, "a.b", {})], [])


@once("a deleted exchange takes its bindings along")
def deleted_exchange(t):
    exchange, queue = t.exchange("fanout"), t.queue()
    t.con.queue_bind(queue, exchange)
    t.con.exchange_delete(exchange)
    t.exchange("fanout")
    arrives(t, queue, [(exchange, "", {})], [])


@behaviour("what an exchange routes nowhere goes to its alternate exchange, and on to that one's")
def alternate(t):
    last = t.exchange("fanout", "last")
    middle = t.exchange("direct", "middle", arguments={"alternate-exchange": last})
    first = t.exchange("direct", "first", arguments={"alternate-exchange": middle})
    queues = {name: t.queue(name) for name in ("first", "middle", "last")}
    for name, exchange in (("first", first), ("middle", middle), ("last", last)):
        t.con.queue_bind(queues[name], exchange, name)
    for key in ("first", "middle", "other"):
        # An alternate exchange counts as routed.
        t.publish(first, key, key, mandatory=True)
    for name, body in (("first", "first"), ("middle", "middle"), ("last", "other")):
        expect(t.bodies(queues[name], 1), [body], f"bodies of {name}")
        t.nothing(queues[name])


@once("a missing alternate exchange is as none: what is mandatory comes back")
def alternate_missing(t):
    exchange = t.exchange("direct", arguments={"alternate-exchange": t.name("missing")})
    t.publish(exchange, "key", 1)
    try:
        t.publish(exchange, "key", 2, mandatory=True)
    except UnroutableError as error:
        expect((error.messages[0].method.reply_code, error.messages[0].body), (312, b"2"), "return")
    else:
        raise AssertionError("nothing was returned")


@behaviour("CC and BCC add routing keys; BCC is not delivered; a queue gets one copy")
def carbon_copies(t):
    exchange = t.exchange("direct")
    queues = {name: t.queue(name) for name in ("key", "cc", "bcc")}
    for name, queue in queues.items():
        t.con.queue_bind(queue, exchange, name)
    t.con.queue_bind(queues["cc"], exchange, "key")
    t.publish(exchange, "key", "m", headers={"CC": ["cc", "other"], "BCC": ["bcc"], "mine": 1})
    for name, queue in queues.items():
        message = t.get(queue)
        expect((message.body, message.method.routing_key), (b"m", "key"), f"message of {name}")
        expect(message.headers, {"CC": ["cc", "other"], "mine": 1}, f"headers of {name}")
        t.nothing(queue)


@once("CC that is no array of strings is refused with 406")
def carbon_copies_wrong(t):
    exchange = t.exchange("direct")
    t.refused(406, None, t.publish, exchange, "key", "m", headers={"CC": "text"})


@once("a consistent hash exchange spreads keys over queues by weight, the same key always to the same queue")
def consistent_hash(t):
    exchange = t.exchange("x-consistent-hash")
    queues = [t.queue(f"q{number}") for number in range(3)]
    for queue in queues:
        t.con.queue_bind(queue, exchange, "2")
    for number in range(120):
        t.publish(exchange, f"key{number % 60}", f"key{number % 60}")
    bodies = [t.drain(queue) for queue in queues]
    expect(sum(map(len, bodies)), 120, "messages")
    check(all(len(each) > 4 for each in bodies), f"spread: {[len(each) for each in bodies]}")
    check(all(each.count(body) == 2 for each in bodies for body in each), "a key went to two queues")


@once("a consistent hash exchange can hash a header or a property")
def consistent_hash_header(t):
    for suffix, arguments, sent in (("h", {"hash-header": "id"}, lambda n: {"headers": {"id": f"{n % 20}"}}),
                                    ("p", {"hash-property": "message_id"}, lambda n: {"message_id": f"{n % 20}"})):
        exchange = t.exchange("x-consistent-hash", suffix, arguments=arguments)
        queues = [t.queue(f"{suffix}{number}") for number in range(2)]
        for queue in queues:
            t.con.queue_bind(queue, exchange, "10")
        for number in range(40):
            t.publish(exchange, f"{number}", f"{number % 20}", **sent(number))
        bodies = [t.drain(queue) for queue in queues]
        expect(sum(map(len, bodies)), 40, "messages")
        check(all(each.count(body) == 2 for each in bodies for body in each), f"{arguments}: a value went to two queues")


@once("a binding to a consistent hash exchange whose key is no number is refused")
def consistent_hash_weight(t):
    exchange, queue = t.exchange("x-consistent-hash"), t.queue()
    t.refused(406, None, t.con.queue_bind, queue, exchange, "heavy")


@once("a modulus hash exchange sends each key to one queue")
def modulus_hash(t):
    exchange = t.exchange("x-modulus-hash")
    queues = [t.queue(f"q{number}") for number in range(3)]
    for queue in queues:
        t.con.queue_bind(queue, exchange, "")
    for number in range(60):
        t.publish(exchange, f"key{number % 30}", f"key{number % 30}")
    bodies = [t.drain(queue) for queue in queues]
    expect(sum(map(len, bodies)), 60, "messages")
    check(all(each.count(body) == 2 for each in bodies for body in each), "a key went to two queues")


@once("a random exchange sends each message to one of its queues")
def random(t):
    exchange = t.exchange("x-random")
    queues = [t.queue(f"q{number}") for number in range(2)]
    for queue in queues:
        t.con.queue_bind(queue, exchange, "")
    for number in range(40):
        t.publish(exchange, "", number)
    counts = [t.ready(queue) for queue in queues]
    expect(sum(counts), 40, "messages")
    check(all(counts), f"counts {counts}")


@once("a local random exchange prefers queues on the publisher's node", EXCLUSIVE)
def local_random(t):
    exchange = t.exchange("x-local-random")
    near, far = t.channel(1), t.channel(2)
    queues = [channel.queue_declare("", exclusive=True).method.queue for channel in (near, far)]
    for channel, queue in zip((near, far), queues):
        channel.queue_bind(queue, exchange, "")
    for number in range(10):
        t.publish(exchange, "", number)
    wanted = [10, 0] if len(t.uris) > 1 else None
    counts = [channel.queue_declare(queue, passive=True).method.message_count for channel, queue in zip((near, far), queues)]
    check(wanted is None or counts == wanted, f"counts {counts} instead of {wanted}")
