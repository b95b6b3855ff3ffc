"""The Lublin-Feitelson model: its published moments, with fixed seeds, and the log that it becomes.

Tolerances are about four standard errors of the sample, so that a parameter that is wrong in its second digit is caught.
"""

from __future__ import annotations

import io
import math
import random
import statistics
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.sim.lublin import POPULATIONS, DailyClock, Lublin, draw_gap, draw_run, draw_size
from fluxplug.sim.traces.swf import SwfTrace
from fluxplug.sim.workload import estimate, write_swf

ALL = POPULATIONS["all"]
SAMPLE = 20_000


def make(count=SAMPLE, seed=1, **config):
    return list(Lublin(Lublin.Config(**config)).jobs(count, seed))


@pytest.fixture(scope="module")
def sample():
    return make()


def share(found):
    return sum(found) / len(found)


def is_power(width):
    return width & (width - 1) == 0


# Sizes.


def test_share_of_serial_jobs(sample):
    assert share([job.width == 1 for job in sample]) == pytest.approx(0.244, abs=0.012)


def test_share_of_powers_of_two(sample):
    """0.576 of all jobs are rounded to a power; of the other 0.18, those that fall on one by chance add a little."""
    by_chance = sum(chance(power) for power in range(1, 8)) * (1 - 0.244 - 0.576)
    found = share([job.width > 1 and is_power(job.width) for job in sample])
    assert found == pytest.approx(0.576 + by_chance, abs=0.014)
    assert by_chance < 0.06


def chance(power):
    """The chance that two to a two-stage uniform power on 0.8, 4.5, 7 rounds to this power of two."""
    low, high = math.log2(2**power - 0.5), math.log2(2**power + 0.5)
    return distribution(high) - distribution(low)


def distribution(power):
    lower = min(max((power - 0.8) / 3.7, 0), 1)
    upper = min(max((power - 4.5) / 2.5, 0), 1)
    return 0.86 * lower + 0.14 * upper


def test_log_size_of_parallel_jobs():
    """Mean (uprob * ulow + umed + (1 - uprob) * uhi) / 2 and the variance of the two stages, before rounding to powers."""
    source = random.Random(3)
    sizes = [draw_size(ALL, 2**40, source) for _ in range(SAMPLE)]  # so large that whole cores round nothing
    logs = [math.log2(size) for size in sizes if size > 1 and not is_power(size)]
    low, middle, high, lower = 0.8, 37.5, 40, 0.86
    wanted = (lower * low + middle + (1 - lower) * high) / 2
    square = lower * (middle**3 - low**3) / (3 * (middle - low)) + (1 - lower) * (high**3 - middle**3) / (
        3 * (high - middle)
    )
    assert statistics.mean(logs) == pytest.approx(wanted, abs=0.85)
    assert statistics.pstdev(logs) == pytest.approx(math.sqrt(square - wanted**2), rel=0.03)


def test_log_size_on_the_published_machine(sample):
    logs = [math.log2(job.width) for job in sample if job.width > 1]
    assert statistics.mean(logs) == pytest.approx((0.86 * 0.8 + 4.5 + 0.14 * 7) / 2, abs=0.05)


def test_how_often_each_power_of_two_is_taken(sample):
    """Two to the k for powers that round to k: the mass of the two stages around k; the other parallel jobs are few."""
    found = Counter(job.width for job in sample if job.width > 1 and is_power(job.width))
    jobs = sum(job.width > 1 for job in sample)
    for power in range(1, 8):
        rounded = (distribution(power + 0.5) - distribution(power - 0.5)) * 0.576 / (1 - 0.244)
        other = chance(power) * (1 - 0.576 / (1 - 0.244))
        assert found[2**power] / jobs == pytest.approx(rounded + other, abs=0.0105), power


@given(machine=st.integers(2, 5000), population=st.sampled_from(sorted(POPULATIONS)), seed=st.integers(0, 2**32))
def test_sizes_fit_the_machine(machine, population, seed):
    source = random.Random(seed)
    for _ in range(20):
        assert 1 <= draw_size(POPULATIONS[population], machine, source) <= machine


def test_the_largest_power_stays_in_a_machine_that_is_none():
    widths = {job.width for job in make(3000, max_size=100)}
    assert 64 in widths
    assert max(widths) <= 100


# Run times.


def hyper_gamma(parameters, width):
    """Mean and variance of the log of the run time."""
    short = min(max(parameters.short_slope * width + parameters.short_base, 0), 1)
    first, second = parameters.short_shape * parameters.short_scale, parameters.long_shape * parameters.long_scale
    mean = short * first + (1 - short) * second
    square = short * (first * parameters.short_scale + first**2) + (1 - short) * (
        second * parameters.long_scale + second**2
    )
    return mean, square - mean**2


@pytest.mark.parametrize("population", sorted(POPULATIONS))
@pytest.mark.parametrize("width", [1, 16, 100])
def test_log_run_time(population, width):
    parameters = POPULATIONS[population]
    source = random.Random(width)
    logs = [math.log(draw_run(parameters, width, source) + 0.5) for _ in range(SAMPLE)]
    mean, variance = hyper_gamma(parameters, width)
    assert statistics.mean(logs) == pytest.approx(mean, abs=0.08)
    assert statistics.pvariance(logs) == pytest.approx(variance, rel=0.08)


def test_published_moments_of_serial_run_times():
    """The numbers themselves, so that a slip in the table does not go unseen: p = 0.7746, means 3.948 and 9.36."""
    assert hyper_gamma(ALL, 1) == pytest.approx((5.16786, 8.05176), abs=1e-4)


def test_run_times_are_positive_whole_seconds_of_two_days_at_most(sample):
    assert all(isinstance(job.run, int) and 1 <= job.run <= math.exp(12) for job in sample)


def test_larger_jobs_run_longer(sample):
    small = statistics.mean(math.log(job.run) for job in sample if job.width <= 8)
    large = statistics.mean(math.log(job.run) for job in sample if job.width >= 64)
    assert large > small + 0.8


# Arrivals.


def test_log_gap():
    source = random.Random(5)
    logs = [math.log(draw_gap(ALL, source)) for _ in range(SAMPLE)]
    shape, scale = 10.2303 * 1.0225, 0.4871
    assert statistics.mean(logs) == pytest.approx(shape * scale, abs=0.06)
    assert statistics.pvariance(logs) == pytest.approx(shape * scale**2, rel=0.05)


def half_hours():
    """The mass of gamma(8.1737, 3.9631) on half hours 11..58 of the day, put where they are in the day, by integrating its density."""

    def density(x):
        return x ** (8.1737 - 1) * math.exp(-x / 3.9631)

    return [sum(density(k - 0.5 + (i + 0.5) / 50) for i in range(50)) for k in (*range(49, 59), *range(11, 49))]


def test_weights_of_the_daily_clock():
    mass = half_hours()
    assert DailyClock(ALL).weights == pytest.approx([share / sum(mass) * 86400 for share in mass], rel=1e-4)


def test_daily_cycle(sample):
    days = sample[-1].submit // 86400
    found = Counter(job.submit % 86400 // 1800 for job in sample if job.submit < days * 86400)

    mass = half_hours()
    expected = [count / sum(mass) * sum(found.values()) for count in mass]

    def distance(shift):
        return sum((found[(slot + shift) % 48] - wanted) ** 2 / wanted for slot, wanted in enumerate(expected))

    assert distance(0) < 200  # 47 degrees of freedom, but gaps are long and come in runs
    assert min(range(-24, 24), key=distance) == 0


def test_the_log_may_begin_at_any_hour(sample):
    later = make(start_hour=12)
    first, second = ([job.submit // 3600 % 24 for job in jobs] for jobs in (sample, later))
    assert statistics.mean(hour in range(9, 18) for hour in first) > 0.5
    assert statistics.mean((hour + 12) % 24 in range(9, 18) for hour in second) > 0.5


@given(population=st.sampled_from(sorted(POPULATIONS)), hour=st.integers(0, 23), seconds=st.floats(0, 1e7))
def test_busy_time_and_real_time_are_inverse(population, hour, seconds):
    clock = DailyClock(POPULATIONS[population], hour)
    assert clock.seconds(clock.busy(seconds)) == pytest.approx(seconds, abs=1e-3)
    assert clock.busy(86400) == pytest.approx(86400)
    assert sum(clock.weights) == pytest.approx(86400)


@pytest.mark.parametrize("load", [0.3, 0.9, 1.5])
def test_load(load):
    jobs = make(3000, max_size=64, load=load)
    assert sum(job.run * job.width for job in jobs) / (64 * jobs[-1].submit) == pytest.approx(load, rel=1e-3)
    plain = make(3000, max_size=64)
    assert [job[1:] for job in jobs] == [job[1:] for job in plain]


def test_submits_are_whole_seconds_in_order(sample):
    submits = [job.submit for job in sample]
    assert submits == sorted(submits)
    assert all(type(submit) is int and submit >= 0 for submit in submits)


# Estimates.


@given(run=st.integers(1, 200_000), factor=st.floats(0, 10), seed=st.integers(0, 1000))
def test_estimates_are_never_short(run, factor, seed):
    assert estimate(run, "exact", factor, random.Random(seed)) == run
    uniform = estimate(run, "uniform", factor, random.Random(seed))
    assert run <= uniform <= math.ceil(run * (1 + factor))
    rounded = estimate(run, "round", factor, random.Random(seed))
    assert uniform <= rounded
    assert rounded % 60 == 0


def test_round_estimates_are_few():
    requested = Counter(job.requested for job in make(5000, estimates="round"))
    assert len(requested) < 40
    assert requested.keys() & {600, 3600, 14400, 86400}


def test_uniform_estimates_have_the_mean_of_the_f_model():
    jobs = make(5000, estimates="uniform", overestimate=4.0)
    ratios = [job.requested / job.run for job in jobs if job.run > 1000]
    assert statistics.mean(ratios) == pytest.approx(3, abs=0.12)


# The log.


def text(count=200, seed=1, **config):
    stream = io.StringIO()
    write_swf(Lublin(Lublin.Config(**config)), count, seed, stream)
    return stream.getvalue()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    assert text() == text()
    assert text(seed=2).splitlines()[-1] != text().splitlines()[-1]


def test_a_shorter_log_is_the_beginning_of_a_longer_one():
    assert make(50) == make(100)[:50]


def test_the_first_jobs_of_seed_one():
    """On every Python: whoever changes the model knows that published samples change."""
    assert [tuple(job) for job in make(3)] == FIRST


FIRST = [(314, 18225, 1, 18225), (566, 1313, 2, 1313), (656, 34357, 1, 34357)]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**64), machine=st.integers(2, 300), population=st.sampled_from(sorted(POPULATIONS)))
def test_our_reader_reads_what_we_write(tmp_path_factory, seed, machine, population):
    path = tmp_path_factory.mktemp("lublin") / "log.swf"
    config = {"max_size": machine, "population": population, "estimates": "uniform"}
    path.write_text(text(40, seed, **config), encoding="ascii")
    trace = SwfTrace()
    header = trace.header(path)
    assert (header.cores, header.nodes) == (machine, machine)
    read = [(job.submit, job.run, job.width, job.limit) for job in trace.jobs(path, machine)]
    assert read == [tuple(job) for job in Lublin(Lublin.Config(**config)).jobs(40, seed)]
    assert trace.notes == {"jobs": 40, "skipped": 0, "missing-estimate": 0, "degenerate": 0, "capped": 0, "killed": 0}


def test_the_header_says_how_to_make_it_again():
    assert text(max_size=64, load=0.7).splitlines()[3] == (
        "; Note: jobs=200 seed=1 max-size=64 population=all load=0.7 estimates=exact overestimate=3 start-hour=0"
    )
