"""Rv1Pool against the recorded traces of Flux's pool."""

from __future__ import annotations

import pytest
from fluxplug_pool_rv1.pool import Rv1Pool

from fluxplug.clock import ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource import ResourcePool

KINDS = {"InsufficientResources": InsufficientResources, "InfeasibleRequest": InfeasibleRequest}


class ByCandidates(Rv1Pool):
    """Sends every placement through the hooks for subclasses, which walk lists instead of masks."""

    def _sort_candidates(self, candidates):
        return super()._sort_candidates(candidates)


def run_step(pool, step):
    op = step["op"]
    if op in {"alloc", "feas"}:
        request = pool.parse_resource_request(step["jobspec"])
        if "exc" in step:
            with pytest.raises(KINDS[step["exc"]]) as caught:
                pool.alloc(step["id"], request) if op == "alloc" else pool.check_feasibility(request)
            assert caught.value.strerror == step["msg"]
        elif op == "alloc":
            got = pool.alloc(step["id"], request)
            assert got.to_dict() == step["R"]
            assert got.dumps() == step["summary"]
        else:
            pool.check_feasibility(request)
    elif op == "free":
        pool.free(step["id"], final=True)
    elif op == "partial":
        ranks = ",".join(map(str, step["ranks"]))
        pool.free(step["id"], pool.copy_allocated().copy_ranks(ranks), final=step.get("final", False))
    else:
        getattr(pool, {"up": "mark_up", "down": "mark_down", "remove": "remove_ranks"}[op])(step["ids"])
    if "allocated" in step:
        assert pool.copy_allocated().dumps() == step["allocated"]
        assert pool.copy_down().dumps() == step["down"]
    pool.check()


@pytest.mark.parametrize("kind", [Rv1Pool, ByCandidates, ResourcePool])
def test_recorded_traces(vectors, kind):
    for trace in vectors("rv1pool")["traces"]:
        pool = kind(trace["R"], clock=ManualClock(1000))
        for number, step in enumerate(trace["steps"]):
            try:
                run_step(pool, step)
            except AssertionError as error:
                raise AssertionError(f"{trace['name']}, step {number}: {error}") from error
            pool = pool.copy()
        if trace["name"] == "durations":
            assert pool.job_end_times() == [(1, 4600.0), (2, 0.0)]
