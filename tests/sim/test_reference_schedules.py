"""The schedules of three real logs equal those of an independent program, for every job, through the command line.

Nine files, the machine as one node of many cores and as many nodes of one core. The normal run has each file on one node and KTH on both
machines; FLUXPLUG_SLOW=1 adds the rest.
"""

from __future__ import annotations

import gzip
import json
import os

import pytest

from fluxplug.cli.main import main

WIDTHS = {"KTH-SP2-1996-2.1-cln": 100, "CTC-SP2-1996-3.1-cln": 338, "LANL-CM5-1994-4.1-cln": 1024}
POLICIES = ["fcfs", "easy", "conservative"]

slow = pytest.mark.skipif(not os.environ.get("FLUXPLUG_SLOW"), reason="set FLUXPLUG_SLOW=1 to run it")

HYBRID_OF_ONE = """
[sched]
queue-policy = "hybrid"
policy-params = {reservation-depth = 1}
"""


def case(log, policy, nodes):
    normal = nodes == 1 or log.startswith("KTH")
    return pytest.param(
        log, policy, nodes, id=f"{log[:3]}-{policy}-{nodes}x{WIDTHS[log] // nodes}", marks=[] if normal else [slow]
    )


CASES = [case(log, policy, nodes) for log, width in WIDTHS.items() for policy in POLICIES for nodes in (1, width)]


def schedule(shared, log, nodes, out, *options):
    """The text of the schedule that the command writes, and its figures."""
    path = shared / "data" / "swf" / f"{log}.swf.gz"
    machine = ["--nodes", str(nodes), "--cores", str(WIDTHS[log] // nodes)]
    assert main(["simulate", str(path), *machine, "--schedule", str(out), "--json", *options]) == 0
    return out.read_text(encoding="utf-8")


def reference(shared, log, policy):
    with gzip.open(
        shared / "data" / "schedules" / f"{log}.{policy}.csv.gz", "rt", encoding="utf-8", newline=""
    ) as file:
        return file.read()


def assert_same(found, wanted):
    """Equal, row by row; a full diff of a hundred thousand rows helps nobody."""
    if found != wanted:
        rows = zip(found.splitlines(), wanted.splitlines(), strict=False)
        number, (first, expected) = next((n, pair) for n, pair in enumerate(rows, 1) if pair[0] != pair[1])
        pytest.fail(f"row {number}: {first!r}, but the reference has {expected!r}")


@pytest.mark.parametrize(("log", "policy", "nodes"), CASES)
def test_every_job_starts_as_in_the_reference(shared, tmp_path, capsys, *, log, policy, nodes):
    assert_same(schedule(shared, log, nodes, tmp_path / "out.csv", "--policy", policy), reference(shared, log, policy))
    figures = json.loads(capsys.readouterr().out)["policies"][policy]
    lines = (shared / "data" / "schedules" / "summary.jsonl").read_text(encoding="utf-8").splitlines()
    known = next(one for one in map(json.loads, lines) if one["log"].startswith(log) and one["policy"] == policy)
    assert figures["wait_s"]["mean"] == known["mean_wait_s"]
    assert figures["bounded_slowdown_10s"]["mean"] == known["mean_bounded_slowdown_10s"]


@pytest.mark.parametrize("log", [pytest.param(log, marks=[] if log.startswith("KTH") else [slow]) for log in WIDTHS])
def test_hybrid_of_one_reservation_is_easy(shared, tmp_path, log):
    config = tmp_path / "sched.toml"
    config.write_text(HYBRID_OF_ONE, encoding="utf-8")
    found = schedule(shared, log, 1, tmp_path / "out.csv", "--config", str(config))
    assert_same(found, reference(shared, log, "easy"))
