"""Runs the behaviours side by side and prints a line for each."""

import argparse
import importlib
import os
import pkgutil
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import behaviours
from behaviours.support import BEHAVIOURS, Case, Skip

# Most of a test is waiting; the cluster's part is what counts.
WORKERS = 12
# A test waits with deadlines of its own, but pika waits for ever for an answer that does not come.
LIMIT_S = 25
PRINTING = threading.Lock()


def say(line, error=None):
    with PRINTING:
        print(line, flush=True)
        if error is not None:
            traceback.print_exception(error, file=sys.stderr)


def outcome_of(arguments, function, kind):
    """The error, or None."""
    case = Case(arguments.uris, arguments.http, kind)
    outcome = None
    for step in (lambda: function(case), case.close):
        try:
            step()
        except Exception as error:  # a failure is what this looks for, of any kind
            outcome = outcome or error
    return outcome


def limited(function):
    """What the function returns, or an error that says where it waits; it is left waiting then."""
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(function()), daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if outcomes:
        return outcomes[0]
    frames = traceback.extract_stack(sys._current_frames()[thread.ident])
    ours = [frame for frame in frames if "/behaviours/" in frame.filename and "__main__" not in frame.filename]
    where = ours[-1] if ours else frames[-1]
    return TimeoutError(f"no answer in {LIMIT_S} s at {os.path.basename(where.filename)}:{where.lineno}: {where.line}")


def run(arguments, text, function, kind, http, _alone):
    if http and not arguments.http:
        say(f"skipped - {text}: the HTTP API's address was not given")
        return True
    outcome = limited(lambda: outcome_of(arguments, function, kind))
    if outcome is None:
        say(f"ok - {text}")
    elif isinstance(outcome, Skip):
        say(f"skipped - {text}: {outcome}")
    else:
        reason = " ".join((str(outcome) or repr(outcome)).split())[:300]
        say(f"not ok - {text}: {type(outcome).__name__}: {reason}", outcome if arguments.trace else None)
    return outcome is None or isinstance(outcome, Skip)


def main():
    parser = argparse.ArgumentParser(prog="behaviours")
    parser.add_argument("uris", nargs="+")
    parser.add_argument("--http", type=lambda text: text.split(","), default=[])
    parser.add_argument("--named", default="", help="only behaviours whose name or module holds this")
    parser.add_argument("--trace", action="store_true", help="where a failure comes from, on standard error")
    parser.add_argument("--list", action="store_true", help="prints the names alone")
    arguments = parser.parse_intermixed_args()
    for module in pkgutil.iter_modules(behaviours.__path__):
        if module.name not in ("__main__", "support"):
            importlib.import_module(f"behaviours.{module.name}")
    wanted = [b for b in BEHAVIOURS if arguments.named in b[0] or arguments.named == b[1].__module__.split(".")[-1]]
    if arguments.list:
        print("\n".join(b[0] for b in wanted))
        return
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda b: run(arguments, *b), [b for b in wanted if not b[-1]]))
    results += [run(arguments, *b) for b in wanted if b[-1]]
    sys.stdout.flush()
    # Without waiting for those that still wait.
    os._exit(0 if all(results) else 1)


main()
