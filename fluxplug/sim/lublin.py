"""The workload model of Lublin and Feitelson: sizes, run times and arrivals of the rigid jobs of a supercomputer.

U. Lublin and D. Feitelson, "The workload on parallel supercomputers: modeling the characteristics of rigid jobs", JPDC 63(11),
2003. Their parameters, fitted to four logs; our own program, so that the jobs of a seed are not those of theirs. Run by `fluxplug
workload generate --model lublin`.

- Size: serial with some probability; else two to a power drawn from a two-stage uniform distribution, the power rounded to a
  whole number for most jobs.
- Run time: e to a power drawn from a mixture of two gamma distributions; the larger the job, the less of the shorter one.
- Arrival: gaps of e to a gamma-distributed power, in a time that runs fast when many jobs arrive: the share of each half
  hour of the day is the mass of another gamma distribution on it.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from fluxplug.config.options import option
from fluxplug.sim.workload import ModelJob, WorkloadModel, estimate

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = 86400
_SLOTS = 48  # half hours of the day, the resolution of the daily cycle
_SLOT = _DAY // _SLOTS
_CYCLE_START = 11  # the gamma distribution of the cycle is over half hours 11..58 of the day, numbered from 1
_MAX_LOG_RUN = 12  # longer runs, about two days, are drawn again
_MAX_LOG_GAP = 13  # longer gaps, about five days, are drawn again


@frozen
class Parameters:
    """One column of the published parameters. `below_top` is the width of the upper stage of the size distribution, and
    `under_machine` how far its top is below the machine, both in powers of two.
    """

    serial: float
    power_of_two: float
    low: float
    below_top: float
    under_machine: float
    lower_stage: float
    short_shape: float
    short_scale: float
    long_shape: float
    long_scale: float
    short_slope: float
    short_base: float
    gap_shape: float
    gap_scale: float
    day_shape: float
    day_scale: float


# The published shape of a gap describes the rush hours; to describe all hours it is multiplied by a published ratio, the second factor.
POPULATIONS = {
    "all": Parameters(
        serial=0.244, power_of_two=0.576, low=0.8, below_top=2.5, under_machine=0, lower_stage=0.86,
        short_shape=4.2, short_scale=0.94, long_shape=312, long_scale=0.03, short_slope=-0.0054, short_base=0.78,
        gap_shape=10.2303 * 1.0225, gap_scale=0.4871, day_shape=8.1737, day_scale=3.9631,
    ),
    "batch": Parameters(
        serial=0.2927, power_of_two=0.6686, low=1.2, below_top=2, under_machine=0, lower_stage=0.875,
        short_shape=6.57, short_scale=0.823, long_shape=639.1, long_scale=0.0156, short_slope=-0.003, short_base=0.6986,
        gap_shape=6.0415 * 1.0519, gap_scale=0.8531, day_shape=6.1271, day_scale=5.2740,
    ),
    "interactive": Parameters(
        serial=0.1541, power_of_two=0.625, low=1, below_top=2.5, under_machine=1.5, lower_stage=0.705,
        short_shape=3.8351, short_scale=0.6605, long_shape=7.073, long_scale=0.6856, short_slope=-0.0118, short_base=0.9156,
        gap_shape=6.5510 * 0.9797, gap_scale=0.6621, day_shape=8.9186, day_scale=3.6680,
    ),
}  # fmt: skip


class Lublin(WorkloadModel):
    """The model of Lublin and Feitelson (2003): rigid jobs with a daily cycle.

    The model knows no users and no estimates: see `estimates`. Its run times were fitted on machines of up to a few hundred cores; on
    larger ones, jobs over about 150 cores are all from the long mixture.
    """

    name: ClassVar[str] = "lublin"

    @frozen
    class Config:
        max_size: int = option(128, min=2, max=10**9, unit="cores", help="size of the machine, and of the largest job")
        population: str = option(
            "all",
            choices=tuple(POPULATIONS),
            help="which of the published sets of parameters: of all jobs, or of one kind",
        )
        load: float = option(
            0.0,
            min=0,
            max=100,
            help="stretch the arrivals to this offered load, core seconds over capacity; 0: as published",
        )
        estimates: str = option(
            "exact",
            choices=("exact", "uniform", "round"),
            help="requested times: exact, uniform above it, or rounded as by people",
        )
        overestimate: float = option(
            3.0, min=0, max=1000, help="uniform and round estimates are up to (1 + this) times the run time"
        )
        start_hour: int = option(
            0, min=0, max=23, unit="hour of the day", help="when the log begins in the daily cycle"
        )

    config: Config

    @property
    def cores(self) -> int:
        return self.config.max_size

    def jobs(self, count: int, seed: int) -> Iterator[ModelJob]:
        """`count` jobs; streamed, but for a `load`, which must first know them all."""
        parameters = POPULATIONS[self.config.population]
        clock = DailyClock(parameters, self.config.start_hour)
        if not self.config.load:
            busy = 0.0
            for gap, run, width, requested in self._draw(parameters, count, seed):
                busy += gap
                yield ModelJob(int(clock.seconds(busy)), run, width, requested)
            return
        drawn = list(self._draw(parameters, count, seed))
        area = sum(run * width for _, run, width, _ in drawn)
        span = area / (self.config.load * self.cores)
        stretch = clock.busy(span) / sum(gap for gap, *_ in drawn) if drawn else 1.0
        busy = 0.0
        for gap, run, width, requested in drawn:
            busy += gap * stretch
            yield ModelJob(int(clock.seconds(busy)), run, width, requested)

    def _draw(self, parameters: Parameters, count: int, seed: int) -> Iterator[tuple[float, int, int, int]]:
        """Gap in busy time, run time, width and requested time of each job."""
        source = random.Random(seed)  # noqa: S311 - a model, not a secret
        config = self.config
        for _ in range(count):
            width = draw_size(parameters, config.max_size, source)
            run = draw_run(parameters, width, source)
            requested = estimate(run, config.estimates, config.overestimate, source)
            yield draw_gap(parameters, source), run, width, requested


def draw_size(parameters: Parameters, machine: int, source: random.Random) -> int:
    """The cores of a job. A size beyond the machine, by rounding, becomes the machine's, or the largest power of two in it."""
    kind = source.random()
    if kind < parameters.serial:
        return 1
    top = max(math.log2(machine) - parameters.under_machine, 1.0)
    low = min(parameters.low, top)
    middle = max(top - parameters.below_top, (low + top) / 2)  # on a tiny machine the stages share what there is
    lower = source.random() < parameters.lower_stage
    power = source.uniform(low, middle) if lower else source.uniform(middle, top)
    if kind < parameters.serial + parameters.power_of_two:
        return int(1 << min(int(power + 0.5), machine.bit_length() - 1))
    return min(int(2**power + 0.5), machine)


def draw_run(parameters: Parameters, width: int, source: random.Random) -> int:
    """The run time of a job of `width` cores, in whole seconds, at least 1."""
    short = min(max(parameters.short_slope * width + parameters.short_base, 0.0), 1.0)
    while True:
        if source.random() < short:
            power = source.gammavariate(parameters.short_shape, parameters.short_scale)
        else:
            power = source.gammavariate(parameters.long_shape, parameters.long_scale)
        if power <= _MAX_LOG_RUN:
            return int(math.exp(power))


def draw_gap(parameters: Parameters, source: random.Random) -> float:
    """The time between two arrivals, in seconds of busy time."""
    while True:
        power = source.gammavariate(parameters.gap_shape, parameters.gap_scale)
        if power <= _MAX_LOG_GAP:
            return math.exp(power)


class DailyClock:
    """Two times that agree at the end of every day: real seconds, and busy time, which runs faster the more jobs arrive.

    Both count from `start_hour` of the first day.
    """

    def __init__(self, parameters: Parameters, start_hour: int = 0) -> None:
        mass = [0.0] * _SLOTS
        for slot in range(_CYCLE_START, _CYCLE_START + _SLOTS):
            low, high = (
                _gamma_share((slot + side) / parameters.day_scale, parameters.day_shape) for side in (-0.5, 0.5)
            )
            mass[(slot - 1) % _SLOTS] = high - low
        total = sum(mass)
        #: Busy seconds of each half hour; they sum to a day.
        self.weights = [share / total * _DAY for share in mass]
        self._passed = [0.0, *accumulate(self.weights)]
        self._real_start = start_hour * 3600.0
        self._busy_start = self._to_busy(self._real_start)

    def seconds(self, busy: float) -> float:
        """Real seconds at `busy` seconds of busy time."""
        day, rest = divmod(busy + self._busy_start, _DAY)
        slot = min(bisect_right(self._passed, rest) - 1, _SLOTS - 1)
        within = (rest - self._passed[slot]) / self.weights[slot]
        return day * _DAY + (slot + min(within, 1.0)) * _SLOT - self._real_start

    def busy(self, seconds: float) -> float:
        """Busy time at `seconds` real seconds."""
        return self._to_busy(seconds + self._real_start) - self._busy_start

    def _to_busy(self, since_midnight: float) -> float:
        day, rest = divmod(since_midnight, _DAY)
        slot = int(rest // _SLOT)
        return day * _DAY + self._passed[slot] + (rest / _SLOT - slot) * self.weights[slot]


def _gamma_share(x: float, shape: float) -> float:
    """The share of a gamma distribution of scale 1 that lies below x > 0: the power series of the incomplete gamma function."""
    term = total = 1 / shape
    step = shape
    while term > total * 1e-16:
        step += 1
        term *= x / step
        total += term
    return total * math.exp(shape * math.log(x) - x - math.lgamma(shape))
