"""The suite that every queue policy passes: `PolicyContract`."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import given, note, settings
from hypothesis import strategies as st

from fluxplug.config.options import keys_of
from fluxplug.engine.events import Ended, NodesDown, NodesUp
from fluxplug.engine.states import State
from fluxplug.policy import QueuePolicy
from fluxplug.testing import strategies
from fluxplug.testing.contracts.books import Books, phases
from fluxplug.testing.flat import FlatPool
from fluxplug.testing.scenarios import make_policy, scenario
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hypothesis.strategies import SearchStrategy

    from fluxplug.testing.scenarios import PolicyLike, PoolLike, Scenario

MAX_YIELDS = 1000
"""Yields of a pass, beside a hundred for each pending job: one that goes on beyond that is taken to go on for ever."""


class PolicyContract:
    """What every queue policy keeps. Subclass it, name the subclass `Test...`, and set `policy`: the class, or its installed name.

    Other attributes:

    - `params`: fields of the policy's Config (default: none, so its defaults hold);
    - `pool`: the pool under it, an installed name or a class (default: `FlatPool`, which is always there);
    - `machines`: a hypothesis strategy of R documents that the pool serves (default: one node of up to sixteen cores);
    - `examples`: how many random workloads a test tries.

    The engine and the pool check their books after every event, in every test.
    """

    policy: PolicyLike
    params: ClassVar[Mapping[str, Any]] = {}
    pool: PoolLike = FlatPool
    machines: SearchStrategy[dict[str, Any]] = strategies.one_node()
    examples = 25

    def asks(self, machine: Mapping[str, Any]) -> SearchStrategy[dict[str, Any]]:
        """What jobs ask for on a machine: arguments of `fluxplug.testing.jobspec`."""
        return strategies.asks(machine)

    def settings(self) -> settings:
        """The hypothesis settings of a test."""
        return settings(max_examples=self.examples, deadline=None, phases=phases())

    # Tools.

    def scenario(self, machine: Mapping[str, Any], queues: tuple[str, ...] = (), depth: int | None = None) -> Scenario:
        """A scenario under the policy, in which a pass that does not end is an AssertionError."""
        made = {name: _bounded(make_policy(type(self).policy, self.params)) for name in queues or ("",)}
        return scenario(machine=machine, queues=made, pool=type(self).pool, depth=depth)

    def _each_workload(
        self,
        test: Callable[[Scenario], None],
        *,
        queues: tuple[str, ...] = (),
        depths: SearchStrategy[int | None] = st.none(),  # noqa: B008 - a strategy is a value
        **switches: bool,
    ) -> None:
        """Call `test(scenario)`, not yet run, for many workloads; a failure shows the scenario as lines to paste."""

        @self.settings()
        @given(st.data())
        def run(data: st.DataObject) -> None:
            machine = data.draw(self.machines)
            s = self.scenario(machine, queues, data.draw(depths))
            s.play(data.draw(strategies.workloads(machine, requests=self.asks(machine), queues=queues, **switches)))
            note(s.source())
            test(s)

        run()

    # The tests.

    def test_it_can_be_registered(self) -> None:
        """It has a name, a text for `fluxplug plugins show`, and keys with a help each."""
        cls = type(make_policy(type(self).policy, self.params))
        assert issubclass(cls, QueuePolicy)
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cls.name), "name: letters, digits and .-_"
        assert (cls.__doc__ or "").strip(), "the docstring is what users read"
        for key in keys_of(cls.Config).values() if cls.Config is not None else ():
            assert key.help, f"{key.name} has no help"

    def test_every_job_runs_once_and_to_its_end(self) -> None:
        """None starts before it is submitted; every one starts, since no resources are taken away for ever."""

        def test(s: Scenario) -> None:
            s.run()
            _assert_over(s)
            for name, start in s.starts.items():
                assert start >= s.submits[name], f"job {name} started before it was submitted"
            assert set(s.outcomes.values()) <= {"completed", "timeout", "refused"}, s.outcomes

        self._each_workload(test)
        self._each_workload(test, priorities=True)

    def test_nothing_is_given_twice(self) -> None:
        """Every allocation serves its request, on nodes that are up and with what nobody else holds; failures included."""

        def test(s: Scenario) -> None:
            s.run()
            books = Books(s.machine)
            for event, actions in s.engine.history:
                if isinstance(event, Ended):
                    del books.held[event.jobid]
                elif isinstance(event, NodesDown):
                    books.down |= set(IDset(event.ranks))
                elif isinstance(event, NodesUp):
                    books.down -= set(IDset(event.ranks))
                for start in actions.start:
                    books.serves(s.reads[start.jobid], start.R)
                    books.take(start.jobid, start.R)

        self._each_workload(test, outages=True, cancels=True)

    def test_failures_cancels_and_changes_are_survived(self) -> None:
        """Nodes fail and return, jobs are cancelled, limits and priorities change, at any time: everything comes to an end all the same."""

        def test(s: Scenario) -> None:
            s.run()
            _assert_over(s)

        self._each_workload(test, outages=True)
        self._each_workload(test, outages=True, cancels=True, changes=True, priorities=True)

    def test_a_bounded_look_and_several_queues(self) -> None:
        """With a queue depth, and with several queues that share the pool, every job still gets its turn."""

        def test(s: Scenario) -> None:
            s.run()
            _assert_over(s)

        self._each_workload(test, depths=st.integers(1, 3))
        self._each_workload(test, queues=("one", "two"), outages=True, cancels=True)

    def test_same_input_same_bytes(self) -> None:
        """Nothing decides but the events: a second run gives the same log and the same schedule, byte for byte."""

        def test(s: Scenario) -> None:
            again = self.scenario(s.machine).play(s.steps)
            assert _bytes(s.run()) == _bytes(again.run())

        self._each_workload(test, outages=True, cancels=True, changes=True, priorities=True)

    def test_replay_leads_to_the_same_state(self) -> None:
        """A new engine that handles the same events is where the first one is: this is how a server recovers."""

        def test(s: Scenario) -> None:
            s.run(until=strategies.LATEST / 2)
            events, state = list(s.engine.events), s.engine.snapshot()
            again = self.scenario(s.machine).play(
                s.steps
            )  # not run: what it knows are the priorities that jobs begin with
            again.engine.replay(events)
            assert again.engine.snapshot() == state

        self._each_workload(test, outages=True, cancels=True, changes=True)

    def test_every_job_that_waits_is_told_why(self) -> None:
        """After each pass, `explain` has a reason for every pending job, and a start that lies ahead for most."""

        def test(s: Scenario) -> None:
            for now in _instants(s):
                for job in sorted(s.engine.jobs.values(), key=lambda job: job.jobid):
                    if job.state >= State.RUN:
                        continue
                    told = s.explain(s.names[job.jobid])
                    assert told is not None
                    assert told.text, f"no reason for job {told.jobid} at {now}"
                    assert told.reason != "pass", (
                        f"at {now} job {told.jobid} could start, and the policy neither tried (pass_.start) nor said why not (pass_.skip)"
                    )
                    assert told.reserved is None or told.reserved == told.estimate
                    assert told.estimate is None or told.estimate >= now

        self._each_workload(test)
        self._each_workload(test, outages=True, cancels=True, changes=True, priorities=True)


def _bounded(policy: QueuePolicy) -> QueuePolicy:
    """The policy, with an AssertionError where a pass of it does not end."""
    schedule = policy.schedule

    def bounded(pass_: Any) -> Iterator[None]:
        most = MAX_YIELDS + 100 * sum(1 for _ in pass_.pending)
        for count, _ in enumerate(schedule(pass_)):
            assert count < most, f"a pass of {policy.name} goes on and on"
            yield

    policy.schedule = bounded  # type: ignore[method-assign]
    return policy


def _assert_over(s: Scenario) -> None:
    """Every job has had its turn, once."""
    waiting = [s.names[jobid] for jobid in sorted(s.engine.jobs)]
    assert not waiting, f"never started, though everything has come to an end: {', '.join(waiting)}"
    started = [entry.jobid for entry in s.engine.log if entry.name == "start"]
    assert len(started) == len(set(started)), "a job started twice"
    assert s.pool.copy_allocated().count("core") == 0
    assert not s.pool.reservations()


def _bytes(s: Scenario) -> str:
    text = io.StringIO()
    s.schedule.write_csv(text, ("limit", "outcome", "queue", "ranks"))
    return text.getvalue() + "\n".join(map(repr, s.engine.log))


def _instants(s: Scenario) -> Iterator[float]:
    """Run a scenario, one instant after the other."""
    s.run(until=-1)
    while (now := s.next_instant()) < float("inf"):
        s.run(until=now)
        yield now
