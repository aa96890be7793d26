"""Celery on the broker: a worker, and what its users do with it. Ends by itself.

    python celery_work URI...

Prints "ok - <behaviour>" or "not ok - <behaviour>: <reason>".
"""

import datetime
import os
import subprocess
import sys
import tempfile
import time
import uuid

FOLDER = tempfile.mkdtemp(prefix="celery-")
DEADLINE_S = 15
START_S = 20

backend = sys.argv[1]
URIS = sys.argv[2:]
os.environ["CELERY_BROKERS"] = ";".join(uri.replace("/%2F", "//") for uri in URIS)
os.environ["CELERY_FOLDER"] = FOLDER
os.environ["CELERY_NAME"] = f"celery.{backend}." + uuid.uuid4().hex[:8]
os.environ["CELERY_BACKEND"] = {"rpc": "rpc://", "database": f"db+sqlite:///{FOLDER}/results.db"}[backend]

import tasks  # noqa: E402  the environment is read when it is imported
from celery import chain, chord, group  # noqa: E402


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def a_chain():
    expect(chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4)).apply_async().get(DEADLINE_S), 10, "result")


def a_group():
    expect(group(tasks.add.s(n, n) for n in range(20)).apply_async().get(DEADLINE_S), [2 * n for n in range(20)], "results")


def a_chord():
    expect(chord(tasks.add.s(n, n) for n in range(10))(tasks.total.s()).get(DEADLINE_S), 90, "result")


def retries():
    expect(tasks.works_the_third_time.delay().get(DEADLINE_S), 2, "retries")


def countdown():
    begin = time.time()
    ran = tasks.now.apply_async(countdown=0.7).get(DEADLINE_S)
    if ran - begin < 0.7:
        raise AssertionError(f"it ran after {ran - begin:.2f} s")


def eta():
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=0.7)
    ran = tasks.now.apply_async(eta=at).get(DEADLINE_S)
    if ran < at.timestamp():
        raise AssertionError(f"it ran {at.timestamp() - ran:.2f} s early")


def priorities():
    # One task runs and one is held back by the worker (prefetch 1 and one thread): the rest waits in the queue and is sorted there.
    holding = tasks.hold.delay(1)
    time.sleep(0.3)
    results = [tasks.note.apply_async(("first",), priority=0)]
    results += [tasks.note.apply_async((word,), priority=p) for word, p in (("low", 1), ("middle", 5), ("high", 9))]
    for result in [holding, *results]:
        result.get(DEADLINE_S)
    with open(os.path.join(FOLDER, "order")) as file:
        order = file.read().split()
    expect([word for word in order if word != "first"], ["high", "middle", "low"], "order")


def expired():
    holding = tasks.hold.delay(0.6)
    late = tasks.add.apply_async((1, 1), expires=0.1)
    holding.get(DEADLINE_S)
    try:
        late.get(2)
    except Exception as error:
        # Celery asks the broker to drop it as well: on a slow machine it never comes to the worker, and there is no result.
        if type(error).__name__ not in ("TaskRevokedError", "TimeoutError"):
            raise
    else:
        raise AssertionError("it ran")


def control():
    # By name: a ping without destination is a broadcast to all workers of the virtual host.
    replies = tasks.app.control.ping(timeout=DEADLINE_S, limit=1, destination=[f"{os.environ['CELERY_NAME']}@here"])
    expect([list(reply.values()) for reply in replies], [[{"ok": "pong"}]], "replies")


COMMON = [
    ("a chain of tasks gives its result", a_chain),
    ("a group of tasks gives its results", a_group),
    ("a task that is retried with countdown succeeds", retries),
    ("a task with countdown runs when it is due", countdown),
    ("a task with an ETA runs when it is due", eta),
    ("tasks of higher priority run first", priorities),
    ("a task that has expired does not run", expired),
    ("a worker answers a ping", control),
]
CHECKS = {"rpc": COMMON, "database": [COMMON[0], ("a chord runs its callback with all results", a_chord)]}[backend]


def start_worker(log):
    command = [sys.executable, "-B", "-m", "celery", "-A", "tasks", "worker", "--pool=solo", "--loglevel=INFO", "--without-mingle",
               "--hostname", f"{os.environ['CELERY_NAME']}@here"]
    worker = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=os.path.dirname(os.path.abspath(__file__)))
    until = time.monotonic() + START_S
    while time.monotonic() < until and worker.poll() is None:
        with open(log.name) as file:
            if " ready." in file.read():
                return worker
        time.sleep(0.1)
    return worker


def complaint(log):
    with open(log) as file:
        lines = [line.strip() for line in file if " ERROR/" in line or "CRITICAL/" in line]
    return lines[-1][:300] if lines else "the worker said nothing"


def clean():
    connection = tasks.app.connection_for_write()
    with connection:
        channel = connection.channel()
        channel.queue_delete(os.environ["CELERY_NAME"])
        channel.exchange_delete(os.environ["CELERY_NAME"])


def main():
    failed = 0
    log = open(os.path.join(FOLDER, "worker.log"), "w+")
    worker = start_worker(log)
    try:
        for text, check in CHECKS:
            try:
                if worker.poll() is not None:
                    raise AssertionError(f"the worker has ended: {complaint(log.name)}")
                check()
                print(f"ok - celery ({backend}): {text}", flush=True)
            except Exception as error:  # the next check is another matter
                failed += 1
                reason = " ".join(repr(error).split())[:300]
                print(f"not ok - celery ({backend}): {text}: {reason}; worker: {complaint(log.name)}", flush=True)
    finally:
        worker.terminate()
        try:
            worker.wait(10)
        except subprocess.TimeoutExpired:
            worker.kill()
    try:
        clean()
    except Exception as error:
        print(f"cannot clean: {error!r}", file=sys.stderr)
    # The client's own threads and sockets are of no interest any more.
    os._exit(1 if failed else 0)


main()
