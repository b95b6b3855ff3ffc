"""Every drawing of every schedule is well-formed and small; what it shows is checked on schedules of a few jobs."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.report import figures
from fluxplug.report.chart import document
from fluxplug.report.gantt import gantt
from fluxplug.report.packing import Window
from fluxplug.sim.metrics import metrics
from fluxplug.sim.schedule import Schedule
from fluxplug.values.idset import IDset

SVG = "{http://www.w3.org/2000/svg}"
WIDE = 878  # of the plot area of a figure of full width


def drawings(schedules):
    return [f for section in figures.every(schedules) for f in section.figures] + [
        figures.table([metrics(s) for s in schedules], figures.names(schedules))
    ]


def marks(parse, figure, kind):
    """The marks of a class, as (x, y, width, height) of the boxes in their paths, and their titles."""
    found = []
    for path in parse(figure.alone()).iter(f"{SVG}path"):
        if kind in path.get("class", "").split() or path.get("fill", "") == f"url(#{kind})":
            number = "(-?[0-9.]+)"
            boxes = re.findall(f"M{number} {number}h{number}v{number}h-{number}z", path.get("d"))
            title = path.find(f"{SVG}title")
            found.append(([tuple(map(float, box[:4])) for box in boxes], "" if title is None else title.text))
    return found


@st.composite
def anything(draw):
    """Schedules as they come, and as they should not: unknown ends, jobs that overlap, jobs wider than the machine."""
    nodes = draw(st.integers(0, 300))
    s = Schedule(draw(st.text(max_size=10)), draw(st.integers(0, 900)), nodes)
    time = st.floats(0, 1e7) | st.integers(0, 10_000)
    named = draw(st.booleans())
    for i in range(draw(st.integers(0, 12))):
        submit = draw(time)
        start = draw(st.sampled_from([math.nan, submit, submit + 1, submit + draw(time)]))
        s.job.append(i)
        s.submit.append(submit)
        s.start.append(start)
        s.end.append(start + draw(st.sampled_from([0, 1, draw(time), math.nan])))
        s.width.append(draw(st.integers(1, 1000)))
        s.limit.append(0)
        s.outcome.append(
            draw(st.sampled_from(["completed", "timeout", "failed", "cancelled", "refused", "pending", "running"]))
        )
        s.queue.append(draw(st.text(max_size=5)))
        s.ranks.append(str(IDset(draw(st.sets(st.integers(0, 400), max_size=6)))) if named else "")
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(time)
        s.down.append((draw(st.integers(0, 400)), begin, begin + draw(st.sampled_from([0, 5, 1e6, math.inf]))))
    return s


@settings(deadline=None, max_examples=40)
@given(st.lists(anything(), max_size=3))
def test_any_schedules_can_be_drawn(parse, schedules):
    drawn = drawings(schedules)
    ids = []
    for figure in drawn:
        root = parse(figure.alone())
        assert "nan" not in " ".join(e.get("d", "") + e.get("transform", "") for e in root.iter())
        inline = parse(figure.inline())
        ids += [e.get("id") for e in inline.iter() if e.get("id")]
    assert len(ids) == len(set(ids))  # they share a page
    parse(document(drawn, "all", headed=True))


@pytest.mark.parametrize("named", [True, False])
def test_drawings_of_large_logs_stay_small(large, named):
    s = large(30_000, named=named)
    s.down += [(k % 1024, k * 1000.0, k * 1000.0 + 90_000) for k in range(5000)]
    assert len(document(drawings([s]), "large")) < 1_000_000


def test_the_largest_log_stays_small(shared):
    import csv
    import gzip

    s = Schedule("easy", 1024, 1024)
    with gzip.open(shared / "data" / "schedules" / "LANL-CM5-1994-4.1-cln.easy.csv.gz", "rt") as stream:
        for i, row in enumerate(csv.reader(stream)):
            if i:
                job, submit, start, end, width = map(int, row)
                first = i * 32 % 1024
                s.job.append(job)
                s.submit.append(submit)
                s.start.append(start)
                s.end.append(end)
                s.width.append(width)
                s.limit.append(0)
                s.outcome.append("completed")
                s.queue.append("")
                last = min(first + width, 1024) - 1
                s.ranks.append(f"{first}-{last}" if last > first else f"{first}")
    assert len(s) == 122_060
    assert len(document(drawings([s]), "largest")) < 1_000_000


def test_names_are_made_distinct(schedule):
    assert figures.names([schedule(policy=p) for p in ("a", "a", "", "a", "a (2)")]) == [
        "a",
        "a (2)",
        "unnamed",
        "a (3)",
        "a (2) (2)",
    ]


def test_hostile_names_are_text(parse, schedule, hostile):
    s = schedule([(0, 0, 10, 1), (0, 2, 10, 1, "", "failed")], policy=hostile)
    s.queue[0] = hostile
    for figure in drawings([s, s]):
        text = figure.alone()
        assert "<script" not in text
        root = parse(text)
        text.encode()
        assert not [e for e in root.iter() if e.tag.endswith("script")]
        assert re.fullmatch(r"[a-z0-9-]{1,60}", figure.caption.name)


def test_jobs_are_boxes_from_start_to_end_on_their_nodes(parse, schedule):
    s = schedule([(0, 0, 50, 2, "0-1"), (0, 50, 100, 1, "3"), (0, None, None, 4, "", "pending")])
    figure = gantt(s, Window(0, 100), "n", "easy")
    (first, about), (second, _) = marks(parse, figure, "j0") + marks(parse, figure, "j1")
    unit = second[0][3]
    assert first == [(0, pytest.approx(2 * unit, abs=0.1), WIDE / 2, pytest.approx(2 * unit, abs=0.1))]
    assert second == [(WIDE / 2, 0, WIDE / 2, unit)]
    assert about == "job 1\n2 cores\non nodes 0-1\nstarted at 0 s, after a wait of 0 s\nran 50 s"
    assert not marks(parse, figure, "j2")


def test_what_was_down_is_hatched(parse, schedule):
    rows = [(0, 0, 100, 1, "0")]
    s = schedule(rows, down=[(1, 25, 50), (2, 25, 50), (3, 75, math.inf), (3, 75, math.inf), (9, 0, 10), (0, 500, 600)])
    (boxes, _), *_ = marks(parse, gantt(s, Window(0, 100), "n", "easy"), "n-hatch")
    assert [(x, w) for x, _, w, _ in boxes] == [(WIDE / 4, WIDE / 4), (WIDE * 3 / 4, WIDE / 4)]
    assert boxes[0][3] == pytest.approx(2 * boxes[1][3], abs=0.1)
    assert not marks(parse, gantt(schedule(rows), Window(0, 100), "n", "easy"), "n-hatch")


def test_without_ranks_the_cores_that_are_down_are_at_the_top(parse, schedule):
    s = schedule([(0, 0, 100, 2)], down=[(0, 0, 50), (1, 25, 50)])
    (boxes, _), *_ = marks(parse, gantt(s, Window(0, 100), "n", "easy"), "n-hatch")
    assert [(x, y) for x, y, _, _ in boxes] == [(0, 0), (WIDE / 4, 0)]
    assert boxes[1][3] == pytest.approx(2 * boxes[0][3], abs=0.1)


def test_jobs_that_did_not_complete_are_marked(parse, schedule):
    s = schedule([(0, 0, 50, 1), (0, 0, 100, 1, "", "timeout")], nodes=1)
    root = parse(gantt(s, Window(0, 100), "n", "easy").inline())
    bad = [p.get("d") for p in root.iter("path") if p.get("class") == "bad"]
    assert len(bad) == 2  # the legend's, and one edge
    assert bad[1].startswith(f"M{WIDE} ")
    assert "timeout" in "".join(root.itertext())


def test_a_heat_map_has_the_strongest_colour_where_all_is_in_use(parse, schedule):
    s = schedule([(0, 0, 400, 300, "0-299"), (0, 400, 800, 75, "0-299")], nodes=300, cores=300)
    root = parse(gantt(s, Window(0, 800), "n", "easy").inline())
    paths = {p.get("class").split()[0]: p.get("d") for p in root.iter("path") if "crisp" in p.get("class", "")}
    assert sorted(paths) == ["s2", "s8"]
    assert set(re.findall(r"M([0-9.]+) [0-9.]+H([0-9.]+)", paths["s8"])) == {("0", str(WIDE // 2))}


@pytest.mark.parametrize(("second", "log_scale"), [(20, False), (500, True)])
def test_queues_of_very_different_lengths_get_a_logarithmic_axis(schedule, second, log_scale):
    few = schedule([(i, 60, 61, 1) for i in range(6)])
    many = schedule([(0, 60, 61, 1) for i in range(second)])
    drawn = figures.queue([few, many], ["few", "many"], Window(0, 61))
    assert ("log scale" in drawn.body) is log_scale


def test_distributions_begin_with_the_jobs_that_did_not_wait(parse, schedule):
    sample = figures.Sample.of(
        schedule([(0, 0, 100, 1), (0, 100, 200, 1), (0, 200, 300, 1), (0, None, None, 1, "", "pending")])
    )
    assert sample.wait == [0, 100, 200]
    assert sample.slowdown == [1, 2, 3]
    root = parse(figures.waits([sample], ["easy"]).inline())
    titles = [t.text for t in root.iter("title")]
    assert "up to 0 s\neasy: 33.3 %" in titles


def test_classes_tell_mean_median_and_number(parse, schedule):
    s = schedule([(0, 0, 10, 1), (0, 60, 70, 1), (0, 0, 10, 3)])
    root = parse(figures.by_width([figures.Sample.of(s)], ["easy"]).inline())
    titles = [t.text for t in root.iter("title")]
    assert "easy, 1\nmean 30 s\nmedian 30 s\n90 % within 54 s\n2 jobs" in titles
    assert len(list(root.iter("circle"))) == 2 + 1  # and the legend's


def test_many_policies_still_fit(parse, schedule):
    schedules = [
        schedule([(0, 0, 10, 1), (0, i, 10 + i, 1)], policy=f"a policy with a long name {i}") for i in range(14)
    ]
    for figure in drawings(schedules):
        root = parse(figure.inline())
        assert float(root.get("viewBox").split()[2]) <= 960
        view = root.find(".//svg")
        assert view is None or float(view.get("height")) > 60
