"""Builders and strategies make documents that are what they say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.jobspec.validate import check_canonical
from fluxplug.resource import ResourceRequest, Rv1Set
from fluxplug.testing import R, jobspec, scenario, strategies
from fluxplug.values.count import ResourceCount


def test_machines():
    assert Rv1Set(R()).dumps() == "rank0/core0"
    assert Rv1Set(R(2, 4, 1)).dumps() == "rank[0-1]/core[0-3],gpu0"
    odd = Rv1Set(R(3, [1, 2, 1], [0, 0, 2], first=5, step=2, properties={"big": "7,9"}, hosts="n", expiration=9))
    assert odd.dumps() == "rank5/core0 rank7/core[0-1] rank9/core0,gpu[0-1]"
    assert odd.nodelist.encode() == "n[5,7,9]"
    assert str(odd.property_ranks["big"]) == "7,9"
    assert odd.expiration == 9
    with pytest.raises(ValueError, match="2 amounts for 3 nodes"):
        R(3, [1, 2])


def test_jobspecs():
    plain = ResourceRequest.from_jobspec(jobspec(3, limit=7))
    assert (plain.nslots, plain.ncores, plain.nnodes, plain.duration) == (3, 3, 0, 7)
    nodes = ResourceRequest.from_jobspec(
        jobspec(nodes=2, slots=3, cores=4, gpus=1, exclusive=True, constraint={"ranks": ["0"]})
    )
    assert (nodes.nnodes, nodes.nslots, nodes.ncores, nodes.ngpus, nodes.exclusive) == (2, 6, 24, 6, True)
    assert nodes.constraint == {"ranks": ["0"]}
    ranged = ResourceRequest.from_jobspec(jobspec({"min": 2, "max": 4}, queue="debug"))
    assert ranged.slot_count == ResourceCount(2, 4)
    assert ranged.jobspec["attributes"]["system"]["queue"] == "debug"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_what_is_drawn_can_be_used(data):
    machine = data.draw(strategies.machines())
    assert Rv1Set(machine).ncores >= 1
    spec = data.draw(strategies.jobspecs(machine))
    check_canonical(spec)
    ResourceRequest.from_jobspec(spec)
    s = scenario(machine=machine).play(
        data.draw(strategies.workloads(machine, outages=True, cancels=True, changes=True))
    )
    assert s.ids


def test_what_is_switched_off_is_not_drawn():
    machine = R(3, 4, 1, properties={"big": "1"})

    @settings(max_examples=100, deadline=None)
    @given(strategies.asks(machine, nodes=False, gpus=False, ranges=False, constraints=False, unlimited=False))
    def plain(ask):
        assert set(ask) <= {"width", "cores", "limit"}
        assert type(ask["width"]) is int
        assert ask["limit"] > 0

    plain()
