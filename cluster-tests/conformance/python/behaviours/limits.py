"""Limits of vhosts and users, which count what all nodes have together."""

from .support import *


def vhost(t):
    """A vhost of this test's own."""
    name = t.name("vhost")
    t.cleanups.append(lambda: (t.hang_up(), call(t, "DELETE", f"vhosts/{name}")))
    put(t, f"vhosts/{name}", {})
    put(t, f"permissions/{name}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    return name


def user(t):
    """A user of this test's own, as what its connections need."""
    name = t.name("user")
    t.cleanups.append(lambda: (t.hang_up(), call(t, "DELETE", f"users/{name}")))
    put(t, f"users/{name}", {"password": "secret", "tags": ""})
    put(t, f"permissions/%2F/{name}", {"configure": ".*", "write": ".*", "read": ".*"})
    return {"credentials": pika.PlainCredentials(name, "secret")}, name


def why_not(t, node, **parameters):
    """Why a node refuses a connection, or None when it does not."""
    try:
        t.connection(node, **parameters).close()
    except AMQPConnectionError as error:
        return str(error)
    return None


def comes_to(t, node, text, **parameters):
    """The node soon refuses a connection with that text, or none when it is None: it hears of others a moment later."""
    said = []

    def is_so():
        said.append(why_not(t, node, **parameters))
        return said[-1] is None if text is None else text in (said[-1] or "")

    t.until(is_so, lambda: f"{text!r} at node {node}, but {said[-1]!r}")


@once("a vhost's max-connections counts those of all nodes, and one that closes makes room on all", http=True)
def vhost_connections(t):
    name = vhost(t)
    put(t, f"vhost-limits/{name}/max-connections", {"value": 2})
    _, second = t.connection(1, virtual_host=name), t.connection(2, virtual_host=name)
    text = f"access to vhost '{name}' refused for user 'guest': connection limit (2) is reached"
    for node in (3, 1, 2):
        comes_to(t, node, text, virtual_host=name)
    second.close()
    comes_to(t, 3, None, virtual_host=name)


@once("a user's max-connections counts those of all nodes, and one that closes makes room on all", http=True)
def user_connections(t):
    parameters, name = user(t)
    put(t, f"user-limits/{name}/max-connections", {"value": 2})
    _, second = t.connection(1, **parameters), t.connection(2, **parameters)
    text = f"connection refused for user '{name}': user connection limit (2) is reached"
    for node in (3, 1, 2):
        comes_to(t, node, text, **parameters)
    second.close()
    comes_to(t, 3, None, **parameters)


@once("a user's max-channels counts those of all nodes, and one that closes makes room on all", http=True)
def user_channels(t):
    parameters, name = user(t)
    put(t, f"user-limits/{name}/max-channels", {"value": 2})
    _, second = t.channel(1, **parameters), t.channel(2, **parameters)
    text = f"number of channels opened for user '{name}' has reached the maximum allowed user limit of (2)"

    def why_no_channel():
        connection = t.connection(3, **parameters)
        try:
            connection.channel()
            connection.close()
        except ConnectionClosedByBroker as error:
            expect(error.reply_code, 530, "reply code")
            return error.reply_text
        return None

    t.until(lambda: text in (why_no_channel() or ""), "a refusal on node 3")
    second.close()
    t.until(lambda: why_no_channel() is None, "a channel on node 3")


@once("a vhost that is protected from deletion stays until it is not", http=True)
def protected_vhost(t):
    name = vhost(t)
    put(t, f"vhosts/{name}", {"protected_from_deletion": True})
    status, answer = call(t, "DELETE", f"vhosts/{name}")
    expect(status, 412, "status")
    check(b"protected from deletion" in answer, f"it says {answer[:200]}")
    put(t, f"vhosts/{name}", {"protected_from_deletion": False})
    expect(call(t, "DELETE", f"vhosts/{name}")[0], 204, "status")
