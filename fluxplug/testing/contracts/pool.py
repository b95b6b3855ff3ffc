"""The suite that every resource pool passes: `PoolContract`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from fluxplug.clock import ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.testing import builders, strategies
from fluxplug.testing.contracts.books import Books, nodes_of, phases
from fluxplug.testing.contracts.life import PlainLife, PoolLife

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

    from fluxplug.clock import Clock
    from fluxplug.resource.pool import ResourcePoolImplementation


class PoolContract:
    """What every pool keeps. Subclass it, name the subclass `Test...`, and say how the pool is made.

    Attributes to override, for a pool that serves less than everything:

    - `machines`: a hypothesis strategy of R documents (default: up to six nodes of up to three kinds, with GPUs and properties);
    - `interchangeable`: a strategy of R documents on which every core is as good as any other, where the pool has to plan by amounts;
      None for a pool that has no such machines (default: one node of many cores, and many nodes of one);
    - `exact`: whether what starts now could always have been promised from now on; false where a promise names nodes, and others than
      those that a job would have started on;
    - `examples`: how many random machines and lives a test tries; `steps`: how long a life is.

    Jobspecs that the pool cannot parse (ValueError) are passed over, but it has to parse those that ask for one core.
    """

    machines: SearchStrategy[dict[str, Any]] = strategies.machines()
    interchangeable: SearchStrategy[dict[str, Any]] | None = st.one_of(strategies.one_node(), strategies.single_cores())
    exact = True
    examples = 40
    steps = 30

    def make_pool(self, R: dict[str, Any], clock: Clock) -> ResourcePoolImplementation:  # noqa: N803 - the format's name
        """A new pool over the R document, on this clock."""
        raise NotImplementedError

    def asks(self, machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
        """What jobs ask for on a machine: arguments of `fluxplug.testing.jobspec`."""
        return strategies.asks(machine)

    def plain_asks(self, machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
        """The same on interchangeable machines: each core asked for is one core."""
        return strategies.plain_asks(machine)

    def part_of(self, R: Any, ranks: Any) -> Any:  # noqa: N803
        """The part of an R on some ranks (an IDset), for partial frees; None for a pool whose R has no parts."""
        copy_ranks = getattr(R, "copy_ranks", None)
        return None if copy_ranks is None else copy_ranks(ranks)

    # The tests.

    def settings(self, examples: int) -> settings:
        """The hypothesis settings of a test."""
        return settings(max_examples=examples, stateful_step_count=self.steps, deadline=None, phases=phases())

    def _each_machine(self, test: Any) -> None:
        """Call `test(machine, pool, clock)` for many machines."""

        @self.settings(self.examples // 2)
        @given(self.machines)
        def run(machine: dict[str, Any]) -> None:
            clock = ManualClock(100)
            pool = self.make_pool(machine, clock)
            pool.mark_up("all")
            test(machine, pool, clock)

        run()

    def test_a_new_pool_is_the_machine_and_all_of_it_is_free(self) -> None:
        def test(machine: dict[str, Any], pool: ResourcePoolImplementation, clock: ManualClock) -> None:  # noqa: ARG001
            books, whole = Books(machine), pool.to_set()
            assert (whole.count("core"), whole.count("gpu")) == (books.ncores, books.ngpus)
            assert sorted(whole.ranks) == sorted(books.total)
            assert pool.copy_allocated().count("core") == 0
            assert not list(pool.copy_down().ranks)
            assert pool.job_end_times() == []
            assert not pool.reservations()
            pool.check()

        self._each_machine(test)

    def test_one_core_can_be_had_and_given_back(self) -> None:
        def test(machine: dict[str, Any], pool: ResourcePoolImplementation, clock: ManualClock) -> None:
            request = pool.parse_resource_request(builders.jobspec(1, limit=10))
            assert request.duration == 10
            assert hash(request.shape) is not None
            assert request.with_duration(20).duration == 20
            assert request.with_duration(20).shape == request.shape
            pool.check_feasibility(request)
            R = pool.alloc(1, request)  # noqa: N806
            assert pool.job_end_times() == [(1, clock.now() + 10)]
            assert R.count("core") >= 1
            assert set(R.ranks) <= set(Books(machine).total)
            assert isinstance(R.dumps(), str)
            pool.free(1, final=True)
            assert pool.job_end_times() == []
            assert pool.copy_allocated().count("core") == 0

        self._each_machine(test)

    def test_what_is_freed_is_what_was_taken(self) -> None:
        """One core at a time, until nothing is left; and again after all have ended."""

        def test(machine: dict[str, Any], pool: ResourcePoolImplementation, clock: ManualClock) -> None:  # noqa: ARG001
            request = pool.parse_resource_request(builders.jobspec(1))

            def fill() -> int:
                books = Books(machine)
                while True:
                    try:
                        books.take(len(books.held) + 1, pool.alloc(len(books.held) + 1, request))
                    except InsufficientResources:
                        return len(books.held)

            first = fill()
            assert first > 0
            assert pool.earliest_start(request, 100) is None, "nobody ever ends"
            for jobid in range(1, first + 1):
                pool.free(jobid, final=True)
            assert not any((nodes_of(pool.copy_allocated()) or {}).values())
            assert fill() == first

        self._each_machine(test)

    def test_what_can_never_be_is_infeasible_and_nothing_else_is(self) -> None:
        """On an empty machine with all nodes up, `check_feasibility` and `alloc` agree; held and down parts do not matter to it."""

        @self.settings(self.examples)
        @given(st.data())
        def run(data: st.DataObject) -> None:
            machine = data.draw(self.machines)
            pool = self.make_pool(machine, ManualClock(100))
            pool.mark_up("all")
            try:
                request = pool.parse_resource_request(builders.jobspec(**data.draw(self.asks(machine))))
            except (ValueError, KeyError):
                return
            try:
                pool.check_feasibility(request)
            except InfeasibleRequest:
                with pytest.raises(InfeasibleRequest, match=r"."):  # the user is told why
                    pool.alloc(1, request)
                assert pool.earliest_start(request, 100) is None
                return
            assert pool.earliest_start(request, 100) == 100
            pool.alloc(1, request)
            pool.mark_down("all")
            pool.check_feasibility(request)
            with pytest.raises(InsufficientResources):
                pool.alloc(2, request)
            assert pool.earliest_start(request, 100) is None, "as long as nodes stay down"

        run()

    def test_two_pools_that_are_asked_the_same_answer_the_same(self) -> None:
        """Nothing decides but the calls: not the order of a set, not the identity of an object."""

        @self.settings(self.examples // 2)
        @given(st.data())
        def run(data: st.DataObject) -> None:
            machine = data.draw(self.machines)
            specs = [builders.jobspec(**ask) for ask in data.draw(st.lists(self.asks(machine), max_size=8))]
            told = []
            for _ in range(2):
                clock = ManualClock(100)
                pool = self.make_pool(machine, clock)
                pool.mark_up("all")
                lines = []
                for jobid, spec in enumerate(specs):
                    try:
                        lines.append(pool.alloc(jobid, pool.parse_resource_request(spec)).dumps())
                    except (ValueError, InsufficientResources, InfeasibleRequest) as refusal:
                        lines.append(str(refusal))
                told.append(lines)
            assert told[0] == told[1]

        run()

    def test_a_life(self) -> None:
        """Everything together, in any order: see `fluxplug.testing.contracts.life`."""
        run_state_machine_as_test(lambda: PoolLife(self), settings=self.settings(self.examples))  # type: ignore[arg-type]

    def test_interchangeable_cores_are_planned_by_amount(self) -> None:
        """Where cores are interchangeable a promise binds amounts, not names: to name them too early blocks harmless backfill."""
        if self.interchangeable is None:
            pytest.skip("this pool has no interchangeable cores")
        run_state_machine_as_test(lambda: PlainLife(self), settings=self.settings(self.examples))  # type: ignore[arg-type]
