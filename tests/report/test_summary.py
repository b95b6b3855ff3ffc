from __future__ import annotations

from fluxplug.report.summary import notes, summary
from fluxplug.sim.metrics import metrics


def row(rows, label):
    return next(r for r in rows if r.label == label)


def test_the_least_wait_and_the_most_utilisation_are_best(schedule):
    slow = metrics(schedule([(0, 0, 100, 4), (0, 300, 400, 4)]))
    fast = metrics(schedule([(0, 0, 100, 4), (0, 100, 200, 4)]))
    rows = summary([slow, fast])
    assert row(rows, "Wait, mean").best == {1}
    assert row(rows, "Wait, mean").texts == ("2 min 30 s", "50 s")
    assert row(rows, "Wait, mean").exact == (150, 50)
    assert row(rows, "Utilisation").best == {1}
    assert row(rows, "Utilisation").texts == ("50.0 %", "100.0 %")
    assert row(rows, "Jobs").best == set()


def test_what_reads_the_same_is_equally_good_or_not_marked(schedule):
    one, other = metrics(schedule([(0, 0, 100, 4)])), metrics(schedule([(0, 0, 100, 4)]))
    assert all(not r.best for r in summary([one, other]))
    assert all(not r.best for r in summary([one]))
    late = metrics(schedule([(0, 50, 150, 4)]))
    assert row(summary([one, late, other]), "Wait, mean").best == {0, 2}


def test_no_jobs_no_best_and_outcomes_only_where_they_are(schedule):
    nothing = metrics(schedule())
    bad = metrics(schedule([(0, 0, 10, 1, "", "failed"), (0, None, None, 9, "", "refused")]))
    rows = summary([nothing, bad])
    assert row(rows, "Wait, mean").texts == ("\N{EN DASH}", "0 s")
    assert row(rows, "Failed").texts == ("\N{EN DASH}", "1")
    assert not [r for r in rows if r.label == "Cancelled"]
    assert summary([]) == []


def test_notes_say_what_was_counted():
    first, second = {"jobs": 1200, "missing-estimate": 3, "capped": 0}, {"jobs": 1200, "odd <thing>": 1}
    assert notes([first, second]) == [
        ("jobs read from the log", ("1,200", "1,200")),
        ("jobs without a requested time, to which the rule for missing estimates applied", ("3", "\N{EN DASH}")),
        ("odd <thing>", ("\N{EN DASH}", "1")),
    ]
    assert notes([]) == []
