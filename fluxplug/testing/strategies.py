"""Hypothesis strategies: machines, jobspecs that suit a machine, and whole workloads with failures, cancels and changes.

Everything is small on purpose: few nodes, few seconds, so that things collide. Times are whole numbers, and now and then halves.
The contract suites draw from these; a plugin's own tests may too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from fluxplug.resource.rset import Rv1Set
from fluxplug.testing.builders import R, jobspec
from fluxplug.testing.scenarios import Step
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

LATEST = 40
"""The last second at which something is submitted, fails or changes."""

PROPERTIES = ("big", "fast")


@lru_cache  # to make a strategy costs as much as to draw from it a few times
def seconds(most: int = 20) -> SearchStrategy[float]:
    """Durations above 0."""
    return st.one_of(st.integers(1, most), st.integers(1, 2 * most).map(lambda halves: halves / 2))


@lru_cache
def times(latest: int = LATEST) -> SearchStrategy[int]:
    """Instants from 0 on; many of them are 0."""
    return st.one_of(st.just(0), st.integers(0, latest))


_EITHER = st.booleans()
_LIMITS = st.one_of(*[seconds()] * 15, st.just(0))


@st.composite
def machines(
    draw: DrawFn,
    *,
    nodes: tuple[int, int] = (1, 6),
    cores: tuple[int, int] = (1, 6),
    gpus: tuple[int, int] = (0, 2),
    alike: bool = False,
    properties: bool = True,
    gaps: bool = True,
) -> dict[str, Any]:
    """R documents; the pairs are the least and the largest number of nodes, and of cores and GPUs of each.

    `alike`: all nodes have the same. `properties`: some nodes may have the properties `big` and `fast`. `gaps`: ranks may begin
    above 0 and leave some out.
    """
    count = draw(st.integers(*nodes))
    kinds = draw(st.lists(st.tuples(st.integers(*cores), st.integers(*gpus)), min_size=1, max_size=1 if alike else 3))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=count, max_size=count)) if len(kinds) > 1 else kinds * count
    first, step = draw(st.sampled_from([(0, 1), (0, 1), (3, 1), (0, 2)])) if gaps else (0, 1)
    ranks = range(first, first + step * count, step)
    names = {}
    if properties:
        for name in PROPERTIES:
            having = draw(st.lists(st.sampled_from(ranks), unique=True)) if draw(_EITHER) else []
            if having:
                names[name] = IDset(having).encode()
    return R(count, [c for c, _ in chosen], [g for _, g in chosen], properties=names, first=first, step=step)


def one_node(cores: tuple[int, int] = (2, 16)) -> SearchStrategy[dict[str, Any]]:
    """Machines of one node of many cores."""
    return machines(nodes=(1, 1), cores=cores, gpus=(0, 0), properties=False, gaps=False)


def single_cores(nodes: tuple[int, int] = (2, 12)) -> SearchStrategy[dict[str, Any]]:
    """Machines of nodes of one core each, all alike."""
    return machines(nodes=nodes, cores=(1, 1), gpus=(0, 0), alike=True, properties=False)


def asks(
    machine: Mapping[str, Any],
    *,
    nodes: bool = True,
    gpus: bool = True,
    exclusive: bool = True,
    ranges: bool = True,
    constraints: bool = True,
    unlimited: bool = True,
) -> SearchStrategy[dict[str, Any]]:
    """What a job may ask of a machine, as arguments of `fluxplug.testing.jobspec`; most fit it, a few never can.

    What is switched off is not asked for. `nodes`: node counts, beside slots anywhere. `ranges`: counts like `2-4`. `unlimited`: jobs
    without a time limit.
    """
    found = Rv1Set(machine)
    sizes = sorted(cores.bit_count() for cores, _ in found.nodes.values())

    def ask(
        percent: int, more: int | None, size: int, node: tuple[int, bool] | None, extra: Mapping[str, Any]
    ) -> dict[str, Any]:
        if node is None:
            least = 1 + sum(cores // size for cores in sizes) * percent // 100
            made: dict[str, Any] = {"width": _count(least, more)}
        else:
            made = {"nodes": _count(1 + len(sizes) * percent // 100, more)}
            made["slots"], made["exclusive"] = max(min(node[0], sizes[-1] // size), 1), node[1]
        made.update(extra, cores=size)
        usual = {"slots": 1, "cores": 1, "gpus": 0, "exclusive": False, "constraint": None, "limit": 0}
        return {key: value for key, value in made.items() if key not in usual or value != usual[key]}

    extra: dict[str, SearchStrategy[Any]] = {"limit": _LIMITS if unlimited else seconds()}
    if gpus and found.ngpus:
        extra["gpus"] = st.sampled_from([0, 0, 1, 2])
    if constraints:
        extra["constraint"] = _constraints(found)
    return st.builds(
        ask,
        st.one_of(st.integers(0, 20), st.integers(0, 50), st.integers(0, 100)),
        st.one_of(st.none(), st.none(), st.integers(0, 3)) if ranges else st.none(),
        st.one_of(st.just(1), st.integers(1, sizes[-1])),
        st.one_of(st.none(), st.tuples(st.integers(1, 3), _EITHER if exclusive else st.just(False)))
        if nodes
        else st.none(),
        st.fixed_dictionaries(extra),
    )


def _count(least: int, more: int | None) -> Any:
    return least if more is None else {"min": least, "max": least + more, "operator": "+", "operand": 1}


def plain_asks(machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
    """So many cores anywhere for so many seconds (0: without limit), and nothing else; as `asks`."""
    cores = Rv1Set(machine).ncores
    widths = st.one_of(st.integers(1, cores // 4 + 1), st.integers(1, cores // 2 + 1), st.integers(1, cores + 1))
    return st.fixed_dictionaries({"width": widths, "limit": _LIMITS})


def jobspecs(machine: Mapping[str, Any], **switches: bool) -> SearchStrategy[dict[str, Any]]:
    """Jobspec documents; the switches are those of `asks`."""
    return asks(machine, **switches).map(lambda ask: jobspec(**ask))


def _constraints(machine: Rv1Set) -> SearchStrategy[Any]:
    some: list[SearchStrategy[Any]] = [st.none(), st.none()]
    if machine.nnodes > 1:
        ranks = st.lists(st.sampled_from(sorted(machine.nodes)), min_size=1, unique=True)
        some.append(ranks.map(lambda ids: {"ranks": [IDset(ids).encode()]}))
    some.extend(
        st.just({"properties": [prefix + name]}) for name in sorted(machine.property_ranks) for prefix in ("", "^")
    )
    return st.one_of(some)


@st.composite
def workloads(
    draw: DrawFn,
    machine: Mapping[str, Any],
    *,
    requests: SearchStrategy[dict[str, Any]] | None = None,
    jobs: int = 12,
    queues: Sequence[str] = (),
    priorities: bool = False,
    cancels: bool = False,
    changes: bool = False,
    outages: bool = False,
) -> list[Step]:
    """What happens on a machine, as calls for `Scenario.play`: jobs `a`, `b`, ... and, where asked for, more.

    `requests` draws what the jobs ask for (default: `asks(machine)`). `queues` are spread over the jobs. `priorities`: some jobs have one.
    `cancels`, `changes` (of limits and priorities) and `outages` (failures and drains) happen at any time. Whatever goes down comes back.
    """
    requests = asks(machine) if requests is None else requests
    steps = []
    names = [chr(ord("a") + number) for number in range(draw(st.integers(1, min(jobs, 26))))]
    for name in names:
        arguments: dict[str, Any] = {"name": name, **draw(requests)}
        limit = arguments.get("limit", 0)
        arguments["at"] = draw(times())
        if not limit or draw(_EITHER):
            arguments["run"] = draw(seconds(int(limit) + 1 if limit else 20))
        if queues:
            arguments["queue"] = draw(st.sampled_from(list(queues)))
        if priorities and draw(_EITHER):
            arguments["priority"] = draw(st.integers(0, 31))
        steps.append(Step("job", arguments))
    chosen = st.sampled_from(names)
    if cancels:
        steps.extend(Step("cancel", {"name": name, "at": draw(times())}) for name in draw(st.lists(chosen, max_size=3)))
    if changes:
        for name in draw(st.lists(chosen, max_size=3)):
            if draw(_EITHER):
                steps.append(Step("limit", {"name": name, "seconds": draw(seconds()), "at": draw(times())}))
            else:
                steps.append(
                    Step("priority", {"name": name, "priority": draw(st.integers(0, 31)), "at": draw(times())})
                )
    if outages:
        steps.extend(draw(_outages(machine)))
    return steps


@st.composite
def _outages(draw: DrawFn, machine: Mapping[str, Any]) -> list[Step]:
    steps = []
    ranks = st.lists(st.sampled_from(sorted(Rv1Set(machine).nodes)), min_size=1, unique=True)
    for ids in draw(st.lists(ranks, max_size=3)):
        at = draw(times())
        text = IDset(ids).encode()
        steps.append(Step(draw(st.sampled_from(["down", "drain"])), {"ranks": text, "at": at}))
        steps.append(Step("up", {"ranks": text, "at": at + draw(seconds())}))
    return steps
