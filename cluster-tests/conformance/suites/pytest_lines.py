"""A plugin for pytest that prints the runner's lines, and skips what the list says.

    python -m pytest -p pytest_lines -p no:terminal --capture=sys FILE

SUITE names the suite, SKIPPED the list: lines of `suite | test | reason`.
"""

import os
import sys

import pytest

STALE = []


def say(line):
    print(line, file=sys.__stdout__, flush=True)


def skip_list():
    with open(os.environ["SKIPPED"]) as file:
        lines = [line.split(" | ", 2) for line in file if line.strip() and not line.startswith("#")]
    return {test.strip(): reason.strip() for suite, test, reason in lines if suite.strip() == os.environ["SUITE"]}


def pytest_collection_modifyitems(items):
    skipped = skip_list()
    for item in items:
        reason = skipped.pop(item.nodeid, None)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
    STALE.extend(skipped)


def pytest_collectreport(report):
    if report.failed:
        say(f"not ok - {report.nodeid} can be read: {last_line(report)}")


def pytest_runtest_logreport(report):
    name = report.nodeid.split("/")[-1]
    if report.skipped:
        say(f"skipped - {name}: {report.longrepr[2].removeprefix('Skipped: ')}")
    elif report.failed:
        where = "" if report.when == "call" else f" ({report.when})"
        say(f"not ok - {name}{where}: {last_line(report)}")
    elif report.when == "call":
        say(f"ok - {name}")


def pytest_sessionfinish():
    for test in STALE:
        say(f"not ok - {test}, which is on the list of skipped tests, is a test of this suite")


def last_line(report):
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr)
    return " ".join(text.split())[:400]
