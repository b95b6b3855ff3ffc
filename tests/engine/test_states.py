"""The life cycle as a table: every state with every event, against RFC 21 written out a second time."""

from __future__ import annotations

import itertools

import pytest

from fluxplug.engine.states import FATAL, PENDING, RUNNING, TRANSITIONS, InvalidTransitionError, State, next_state
from fluxplug.errors import FluxplugError

NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP, INACTIVE = State

# Where each event leads. A state that is missing under a moving event: it cannot happen there.
MOVES = {
    "validate": {NEW: DEPEND},
    "invalidate": {NEW: INACTIVE},
    "depend": {DEPEND: PRIORITY},
    "priority": {PRIORITY: SCHED},
    "alloc": {SCHED: RUN},
    "finish": {RUN: CLEANUP, CLEANUP: CLEANUP},
    "clean": {CLEANUP: INACTIVE},
    FATAL: dict.fromkeys([NEW, DEPEND, PRIORITY, SCHED, RUN, CLEANUP], CLEANUP),
}
# These send a job back that waits to be scheduled, and are a remark anywhere else.
SENDS_BACK = ["urgency", "jobspec-update", "flux-restart"]
REMARKS = [
    "submit",
    "dependency-add",
    "dependency-remove",
    "set-flags",
    "resource-update",
    "prolog-start",
    "prolog-finish",
    "epilog-start",
    "epilog-finish",
    "start",
    "release",
    "free",
    "memo",
    "exception",  # as such: only a fatal one moves a job
    "debug.alloc-request",
    "",
]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, MOVES)))
def test_moving_events(state, event):
    if state in MOVES[event]:
        assert next_state(7, state, event) is MOVES[event][state]
    else:
        with pytest.raises(
            InvalidTransitionError, match=rf"job 7: event '{event}' cannot happen in state {state.name}"
        ):
            next_state(7, state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, SENDS_BACK)))
def test_events_that_send_a_waiting_job_back(state, event):
    assert next_state(7, state, event) is (PRIORITY if state is SCHED else state)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, REMARKS)))
def test_events_that_only_remark(state, event):
    assert next_state(7, state, event) is state


def test_the_table_has_no_other_events():
    assert {event for row in TRANSITIONS.values() for event in row} == {*MOVES, *SENDS_BACK}
    assert set(TRANSITIONS) == set(State)


def test_values_are_those_of_flux():
    assert [state.value for state in State] == [1, 2, 4, 8, 16, 32, 64]
    assert (PENDING, RUNNING) == (14, 48)


def test_the_error_is_one_of_ours():
    assert issubclass(InvalidTransitionError, FluxplugError)


def test_everything_leads_to_the_end():
    """From each state the end can be reached, and from the end nothing."""
    reached = {INACTIVE}
    while True:
        more = {state for state, row in TRANSITIONS.items() if reached & set(row.values())} - reached
        if not more:
            break
        reached |= more
    assert reached == set(State)
    assert TRANSITIONS[INACTIVE] == {}
