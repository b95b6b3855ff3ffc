"""Dependencies: what each scheme waits for, and what can never be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.instance.dependencies import Dependencies, DependencyError, News, resolve

PENDING = {"state": 8}
STARTED = {"state": 16, "_started": True}
GOOD = {"state": 64, "_started": True, "t_run": 1, "success": True, "exception_occurred": False}
BAD = {"state": 64, "_started": True, "t_run": 1, "success": False, "exception_occurred": False}
CANCELED = {
    "state": 64,
    "_started": True,
    "t_run": 1,
    "success": False,
    "exception_occurred": True,
    "exception_severity": 0,
}
NEVER_RAN = {"state": 64, "success": False, "exception_occurred": True, "exception_severity": 0}
TARGET = 5


def resolved(*uris):
    return resolve(
        [dict(zip(("scheme", "value"), uri.split(":"), strict=True)) for uri in uris], lambda jobid: f"job{jobid}"
    )


@pytest.mark.parametrize(
    ("scheme", "outcomes"),
    [  # by GOOD, BAD, CANCELED, NEVER_RAN
        ("afterstart", [True, True, True, False]),
        ("after", [True, True, True, False]),
        ("afterany", [True, True, True, True]),
        ("afterok", [True, False, False, False]),
        ("afternotok", [False, True, True, False]),
        ("afterexcept", [False, False, True, True]),
    ],
)
def test_a_target_that_ends_before_or_after(scheme, outcomes):
    for record, met in zip((GOOD, BAD, CANCELED, NEVER_RAN), outcomes, strict=True):
        (one,) = resolved(f"{scheme}:{TARGET}")
        known = Dependencies()
        assert known.add(9, 0, "x", [one], {TARGET: record}) == [News(9, one.description, met)]
        waiting = Dependencies()
        assert waiting.add(9, 0, "x", [one], {TARGET: PENDING}) == []
        told = waiting.started(TARGET) if record.get("_started") else []
        told += waiting.over(TARGET, record)
        assert told == [News(9, one.description, met)]


def test_a_start_is_enough_for_afterstart_alone():
    one, other = resolved(f"afterstart:{TARGET}", f"afterany:{TARGET}")
    known = Dependencies()
    assert known.add(9, 0, "x", [one, other], {TARGET: STARTED}) == [News(9, one.description, met=True)]


def test_begin_times_come_in_order_and_not_for_who_has_gone():
    known = Dependencies()
    for jobid, time in ((1, 30.0), (2, 10.0), (3, 20.0)):
        known.add(jobid, 0, "x", resolved(f"begin-time:{time}"), {})
    assert known.next_time() == 10
    assert known.over(2, GOOD) == []
    assert known.next_time() == 20
    assert [news.jobid for news in known.due(30)] == [3, 1]
    assert known.due(99) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=12), st.randoms(use_true_random=False))
def test_singletons_of_a_name_run_one_after_another(jobs, random):
    known, active, held = Dependencies(), {}, {}
    for jobid, (name, single) in enumerate(jobs):
        news = known.add(jobid, 0, name, resolved("singleton:") if single else [], {})
        free = not any(other == name for other in active.values())
        assert bool(news) == (single and free)
        if single and not news:
            held[jobid] = name
        else:
            active[jobid] = name
    while active:
        jobid = random.choice(sorted(active))
        name = active.pop(jobid)
        news = known.over(jobid, GOOD)
        due = next((other for other in held if held[other] == name), None) if name not in active.values() else None
        assert [one.jobid for one in news] == ([] if due is None else [due])
        if due is not None:
            active[due] = held.pop(due)
    assert not held


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("nope:x", 'dependency scheme "nope" not supported'),
        ("afterok:!", "is not a valid jobid"),
        ("begin-time:soon", "is no time"),
        ("begin-time:nan", "is no time"),
    ],
)
def test_what_cannot_be_taken(uri, text):
    with pytest.raises(DependencyError, match=text):
        resolved(uri)


def test_who_has_gone_is_told_nothing():
    (one,) = resolved(f"afterok:{TARGET}")
    known = Dependencies()
    known.add(9, 0, "x", [one], {TARGET: PENDING})
    known.over(9, CANCELED)
    assert known.over(TARGET, GOOD) == []
