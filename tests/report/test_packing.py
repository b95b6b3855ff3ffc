from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.report.packing import Grid, Nodes, Window, levels, occupancy, place
from fluxplug.sim.schedule import Schedule
from fluxplug.values.idset import IDset


def simulate(jobs, nodes, cores):
    """First come, first served on named nodes, one job after the other: small, valid, with nodes that jobs share."""
    result = Schedule("fcfs", nodes * cores, nodes)
    free_at = [[0.0] * cores for _ in range(nodes)]
    now = 0.0
    for i, (gap, count, each, run) in enumerate(jobs):
        submit = i * float(gap)
        now = max(now, submit)
        while True:
            fitting = [n for n in range(nodes) if sum(t <= now for t in free_at[n]) >= each][:count]
            if len(fitting) == count:
                break
            now = min(t for row in free_at for t in row if t > now)
        for n in fitting:
            chosen = [c for c in range(cores) if free_at[n][c] <= now][:each]
            for c in chosen:
                free_at[n][c] = now + run
        result.job.append(i)
        result.submit.append(submit)
        result.start.append(now)
        result.end.append(now + run)
        result.width.append(count * each)
        result.limit.append(run)
        result.outcome.append("completed")
        result.queue.append("")
        result.ranks.append(str(IDset(fitting)))
    return result


@st.composite
def schedules(draw):
    nodes, cores = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    job = st.tuples(st.integers(0, 30), st.integers(1, nodes), st.integers(1, cores), st.integers(0, 90))
    return simulate(draw(st.lists(job, max_size=25)), nodes, cores)


@given(schedules())
def test_jobs_get_their_width_on_their_nodes_and_nobody_elses(schedule):
    nodes = Nodes.of(schedule)
    drawn = place(schedule, nodes, math.inf)
    held = {}
    for i, stretches in drawn.items():
        lanes = {lane for first, count in stretches for lane in range(first, first + count)}
        assert len(lanes) == schedule.width[i] == sum(count for _, count in stretches)
        assert {lane // nodes.cores for lane in lanes} == set(IDset(schedule.ranks[i]))
        for other, theirs in held.items():
            together = schedule.start[i] < schedule.end[other] and schedule.start[other] < schedule.end[i]
            assert not (together and lanes & theirs)
        held[i] = lanes
    assert set(drawn) == {i for i in range(len(schedule)) if schedule.end[i] > schedule.start[i]}


@given(schedules(), st.integers(1, 6), st.integers(1, 40))
def test_occupancy_is_the_core_time_of_each_group(schedule, group, columns):
    nodes = Nodes.of(schedule)
    window = Window.around([schedule])
    rows = math.ceil(nodes.count / group)
    grid = Grid(window, columns, rows)
    found = occupancy(schedule, nodes, grid, group)
    for row, shares in enumerate(found):
        members = range(row * group, min((row + 1) * group, nodes.count))
        busy = sum(
            schedule.width[i] / len(IDset(schedule.ranks[i])) * (schedule.end[i] - schedule.start[i])
            for i in range(len(schedule))
            for rank in IDset(schedule.ranks[i])
            if rank in members
        )
        lengths = [b - a for a, b in zip(grid.edges, grid.edges[1:], strict=False)]
        drawn = sum(share * length for share, length in zip(shares, lengths, strict=True)) * len(members) * nodes.cores
        assert drawn == pytest.approx(busy, abs=1e-6)


SPAN = st.tuples(st.floats(-50, 250), st.floats(0, 100), st.floats(0, 10))


@given(st.floats(0, 100), st.floats(0.5, 100), st.integers(1, 50), st.lists(SPAN, max_size=10))
def test_a_grid_keeps_areas(lo, length, columns, spans):
    grid = Grid(Window(lo, lo + length), columns)
    area = 0.0
    for start, run, amount in spans:
        grid.add([(0, amount)], start, start + run)
        area += amount * max(0.0, min(start + run, lo + length) - max(start, lo))
    lengths = [b - a for a, b in zip(grid.edges, grid.edges[1:], strict=False)]
    assert sum(m * n for m, n in zip(grid.means(), lengths, strict=True)) == pytest.approx(area, abs=1e-5)
    assert len(lengths) <= columns + 1
    assert min(lengths) >= 0


def test_columns_begin_at_round_instants():
    grid = Grid(Window(86_000, 10 * 86_400), 10)
    assert grid.column == 86_400
    assert grid.edges[:3] == [86_000, 86_400, 172_800]


def test_without_ranks_jobs_get_the_lowest_free_cores(schedule):
    s = schedule([(0, 0, 10, 2), (0, 0, 5, 1), (0, 5, 9, 2)], nodes=1, cores=4)
    assert place(s, Nodes.of(s), 10) == {0: [(0, 2)], 1: [(2, 1)], 2: [(2, 2)]}


def test_a_job_in_holes_has_several_stretches(schedule):
    s = schedule([(0, 0, 10, 1), (0, 0, 5, 1), (0, 0, 10, 1), (0, 5, 9, 2)], nodes=1, cores=4)
    assert place(s, Nodes.of(s), 10)[3] == [(1, 1), (3, 1)]


def test_neighbouring_nodes_are_one_stretch_when_whole(schedule):
    s = schedule([(0, 0, 10, 8, "0-1,3")], nodes=4, cores=16)
    assert place(s, Nodes.of(s), 10) == {0: [(0, 3), (4, 3), (12, 2)]}
    s = schedule([(0, 0, 10, 12, "0-1,3")], nodes=4, cores=16)
    assert place(s, Nodes.of(s), 10) == {0: [(0, 8), (12, 4)]}


def test_ranks_of_a_part_of_a_machine_become_rows(schedule):
    s = schedule([(0, 0, 10, 2, "100-101"), (0, 0, 10, 1, "205")], nodes=3, cores=3, down=[(300, 2, 3)])
    nodes = Nodes.of(s)
    assert (nodes.count, nodes.held) == (4, [((0, 2),), ((2, 1),)])
    assert [nodes.row(rank) for rank in (100, 101, 205, 300)] == [0, 1, 2, 3]


def test_a_job_without_an_end_reaches_the_windows(schedule):
    s = schedule([(0, 5, None, 4, "", "running"), (6, None, None, 1, "", "pending")], nodes=1)
    assert place(s, Nodes.of(s), 10) == {0: [(0, 4)]}
    assert Window.around([s]) == Window(0, 6)


@pytest.mark.parametrize("rows", [[], [(5, None, None, 1)]])
def test_a_window_has_a_length(schedule, rows):
    window = Window.around([schedule(rows)])
    assert window.lo < window.hi


def test_levels_are_runs_and_nothing_that_ran_disappears():
    row = [0, 1e-3, 0.2, 0.26, 1, 1, 0, 0.5]
    assert list(levels(row, 4)) == [(1, 1, 2), (2, 3, 1), (4, 4, 2), (2, 7, 1)]
