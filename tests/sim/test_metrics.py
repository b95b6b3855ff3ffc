"""Metrics: small schedules worked out by hand, the published means, and properties."""

from __future__ import annotations

import csv
import gzip
import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.sim.metrics import metrics, quantile, queue_steps, table, usage_steps
from fluxplug.sim.schedule import UNSET, Schedule


def schedule(*rows, cores=10, policy="easy", **more):
    """Rows of submit, start, end, width and perhaps an outcome."""
    made = Schedule(policy, cores, cores, **more)
    for number, (submit, start, end, width, *outcome) in enumerate(rows, 1):
        made.job.append(number)
        made.submit.append(submit)
        made.start.append(start)
        made.end.append(end)
        made.width.append(width)
        made.limit.append(0)
        made.outcome.append(outcome[0] if outcome else "completed")
        made.queue.append("")
        made.ranks.append("")
    return made


# One job at once, one that waits 100 s for 100 s, one that waits 180 s for 5 s; the machine is empty from 0 on.
THREE = schedule((0, 0, 200, 10), (100, 200, 300, 4), (110, 290, 295, 1, "failed"))


def test_figures_by_hand():
    found = metrics(THREE)
    assert found["wait_s"] == {"mean": 280 / 3, "median": 100, "p90": 164, "p99": pytest.approx(178.4), "max": 180}
    slowdowns = [1, 2, 185 / 10]
    assert found["bounded_slowdown_10s"]["mean"] == sum(slowdowns) / 3
    assert found["bounded_slowdown_10s"]["max"] == 18.5
    assert found["utilisation"] == (2000 + 400 + 5) / (10 * 300)
    assert found["makespan_s"] == 300
    assert found["throughput_jobs_per_h"] == 36
    assert found["queue_length"] == {"mean": (100 + 180) / 300, "max": 2}
    assert found["outcomes"] == {"completed": 2, "failed": 1}
    assert (found["jobs"], found["finished"]) == (3, 3)
    assert [(entry["class"], entry["jobs"], entry["wait_mean_s"]) for entry in found["by_width"]] == [
        ("1", 1, 180),
        ("2-4", 1, 100),
        ("5-16", 1, 0),
    ]
    assert [(entry["class"], entry["jobs"]) for entry in found["by_length"]] == [("to 1 min", 1), ("to 10 min", 2)]
    assert found["by_length"][1]["bounded_slowdown_mean"] == 1.5


def test_steps_by_hand():
    assert queue_steps(THREE) == ([100, 110, 200, 290], [1, 2, 1, 0])
    assert usage_steps(THREE) == ([0, 200, 290, 295, 300], [10, 4, 5, 4, 0])


def test_a_job_that_starts_at_once_never_shows_in_the_queue():
    assert queue_steps(schedule((5, 5, 9, 1), (9, 9, 12, 1))) == ([], [])
    assert usage_steps(schedule((5, 5, 9, 1), (9, 9, 12, 1))) == ([5, 12], [1, 0])


def test_jobs_without_a_start_or_an_end():
    found = schedule(
        (0, 0, 10, 1),
        (2, UNSET, UNSET, 1, "pending"),
        (3, UNSET, UNSET, 99, "refused"),
        (4, UNSET, UNSET, 1, "cancelled"),
        (5, 6, UNSET, 2, "running"),
    )
    assert queue_steps(found) == ([2, 5, 6], [1, 2, 1])
    assert usage_steps(found) == ([0, 6, 10], [1, 3, 2])
    figures = metrics(found)
    assert figures["finished"] == 1
    assert figures["makespan_s"] == 10
    assert figures["queue_length"] == {"mean": (8 + 1) / 10, "max": 2}
    assert figures["outcomes"] == {"cancelled": 1, "completed": 1, "pending": 1, "refused": 1, "running": 1}


@pytest.mark.parametrize(
    "found", [schedule(), schedule((1, UNSET, UNSET, 1, "pending")), schedule((1, 1, 1, 1), cores=0)]
)
def test_no_jobs_no_figures(found):
    figures = metrics(found)
    assert figures["utilisation"] is None
    assert figures["throughput_jobs_per_h"] is None
    assert "NaN" not in json.dumps(figures, allow_nan=False)
    assert table({"easy": figures}).startswith(" ")


def test_bounds_belong_to_the_class_below():
    found = metrics(schedule((0, 0, 60, 1), (0, 0, 61, 4), (0, 0, 3600, 5), (0, 0, 86401, 1025)))
    assert [entry["class"] for entry in found["by_length"]] == ["to 1 min", "to 10 min", "to 1 h", "over 1 d"]
    assert [entry["class"] for entry in found["by_width"]] == ["1", "2-4", "5-16", "over 1024"]


def test_the_same_schedule_gives_the_same_text():
    first = schedule((0, 0, 1, 1), (0, 1, 2, 1, "failed"), notes={"b": 1, "a": 2})
    second = schedule((0, 0, 1, 1), (0, 1, 2, 1, "failed"), notes={"a": 2, "b": 1})
    assert json.dumps(metrics(first)) == json.dumps(metrics(second))


def test_table_is_aligned_and_leaves_out_what_nobody_has():
    text = table({"fcfs": metrics(THREE), "easy": metrics(schedule((0, 0, 100, 1)))})
    lines = text.splitlines()
    assert lines[0].split() == ["fcfs", "easy"]
    assert [part.strip() for part in lines[4].split("  ") if part.strip()] == ["wait, mean s", "93.3", "0.0"]
    assert all(line == line.rstrip() for line in lines)
    assert "refused" not in text
    assert "  5-16" in text
    assert "257-1024" not in text


@given(values=st.lists(st.integers(0, 1000), min_size=1, max_size=30).map(sorted))
def test_quantiles(values):
    assert quantile(values, 0) == values[0]
    assert quantile(values, 1) == values[-1]
    assert quantile(values, 0.5) == statistics.median(values)
    if len(values) > 1:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        assert quantile(values, 0.99) == pytest.approx(cuts[98])
        assert quantile(values, 0.9) == pytest.approx(cuts[89])


def test_quantile_of_nothing():
    assert quantile([], 0.5) is None


ROWS = st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(1, 5))


@given(rows=st.lists(ROWS, min_size=1, max_size=20))
def test_steps_sum_to_the_waits_and_the_work(rows):
    made = schedule(*((submit, submit + wait, submit + wait + run, width) for submit, wait, run, width in rows))
    for (times, values), wanted in (
        (queue_steps(made), sum(wait for _, wait, _, _ in rows)),
        (usage_steps(made), sum(run * width for _, _, run, width in rows)),
    ):
        assert times == sorted(set(times))
        assert all(value >= 0 for value in values)
        assert not values or values[-1] == 0
        assert sum(v * (b - a) for v, a, b in zip(values, times, times[1:], strict=False)) == wanted
    figures = metrics(made)
    if figures["makespan_s"]:
        assert figures["queue_length"]["mean"] * figures["makespan_s"] == pytest.approx(
            sum(wait for _, wait, _, _ in rows)
        )
    assert all(
        value is not None and not math.isnan(value) and value >= 1 for value in figures["bounded_slowdown_10s"].values()
    )


PUBLISHED = {  # policies.md section 2, the smallest log
    "fcfs": (354156.611, 6829.039),
    "easy": (6896.888, 92.987),
    "conservative": (7302.547, 88.260),
}


def reference(shared, log, policy, cores):
    made = Schedule(policy, cores, cores)
    with gzip.open(shared / "data" / "schedules" / f"{log}.{policy}.csv.gz", "rt", encoding="ascii") as stream:
        next(stream)
        for job, submit, start, end, width in csv.reader(stream):
            made.job.append(int(job))
            made.submit.append(float(submit))
            made.start.append(float(start))
            made.end.append(float(end))
            made.width.append(int(width))
            made.outcome.append("completed")
    return made


@pytest.mark.parametrize("policy", PUBLISHED)
def test_means_of_reference_schedules(shared, policy):
    lines = (shared / "data" / "schedules" / "summary.jsonl").read_text(encoding="utf-8").splitlines()
    (summary,) = (one for one in map(json.loads, lines) if one["log"].startswith("KTH") and one["policy"] == policy)
    figures = metrics(reference(shared, "KTH-SP2-1996-2.1-cln", policy, 100))
    wait, slowdown = figures["wait_s"]["mean"], figures["bounded_slowdown_10s"]["mean"]
    assert (wait, slowdown) == (summary["mean_wait_s"], summary["mean_bounded_slowdown_10s"])
    assert (round(wait, 3), round(slowdown, 3)) == PUBLISHED[policy]
