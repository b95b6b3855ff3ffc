"""Properties of jobspecs: what a factory makes is valid and comes back from its text; what is valid, a pool serves or refuses."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.clock import ManualClock
from fluxplug.errors import DocumentError, FluxplugError, InfeasibleRequest, ParseError, ResourceError
from fluxplug.job import Jobspec, JobspecV1, validate_jobspec
from fluxplug.reapi import ReapiCli, ReapiError
from fluxplug.resource import ResourceSet, Rv1Set
from fluxplug.resource.factory import pool_class
from fluxplug.testing.builders import R

# What a factory may be given. Times and counts are drawn small and large, texts of any kind.
words = st.lists(st.text(max_size=5), min_size=1, max_size=3)
small = st.integers(1, 6)
names = st.text(max_size=8)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | names,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
keys = st.from_regex(r"[a-z]{1,4}(\.[a-z]{1,3}){0,2}", fullmatch=True)
environments = st.dictionaries(names, names, max_size=3)

EXTRAS = {
    "duration": st.integers(0, 10**6) | st.floats(0, 1e9) | st.sampled_from(["1h", "0.5s", "3d"]),
    "env_expand": environments,
    "cwd": names,
    "rlimits": st.dictionaries(st.sampled_from(["core", "nofile"]), st.integers(-1, 2**63)),
    "name": names,
    "input": names,
    "output": names,
    "error": names,
    "label_io": st.booleans(),
    "unbuffered": st.booleans(),
    "queue": names,
    "bank": names,
}
SIZES = {
    "from_command": {
        "num_tasks": small,
        "cores_per_task": small,
        "gpus_per_task": st.integers(0, 2),
        "num_nodes": small,
        "exclusive": st.booleans(),
    },
    "per_resource": {
        "ncores": small,
        "nnodes": small,
        "per_resource_type": st.sampled_from(["node", "core"]),
        "per_resource_count": small,
        "gpus_per_node": st.integers(0, 2),
        "exclusive": st.booleans(),
    },
    "from_nest_command": {
        "num_slots": small,
        "cores_per_slot": small,
        "num_nodes": small,
        "exclusive": st.booleans(),
        "conf": st.dictionaries(names, plain, max_size=2),
        "broker_opts": words,
    },
}
SIZES["from_batch_command"] = {**SIZES["from_nest_command"], "args": words}
# Attributes with rules of their own are not drawn: apply_options does not check them again.
OPTIONS = {
    "env": st.lists(st.sampled_from(["-*", "A=1", "B=x$PATH", "R={{id}}", "-A", "HOME", "-/[A-Z]/"]), max_size=4).map(
        lambda rules: ["A=0", *rules, "A=2"]
    ),
    "rlimit": st.lists(st.sampled_from(["-*", "core", "nofile=10", "stack=inf,n*"]), max_size=3),
    "signal": st.sampled_from(["", "USR1@30s", "15", "@1m"]),
    "taskmap": st.sampled_from(["block", "cyclic:2", "manual:[[0,1,1,1]]"]),
    "dependency": st.lists(st.sampled_from(["afterok:f1", "singleton", "x:a?k=1&k=2&f=1e3"]), max_size=2),
    "requires": st.lists(st.sampled_from(["a,b", "-c", "host:n[1-2]", "a|not rank:3"]), max_size=2),
    "shell_options": st.dictionaries(keys.map("opt.".__add__), plain, max_size=1),
    "time_limit": EXTRAS["duration"],
    "attributes": st.dictionaries(keys.map("user.u.".__add__), plain, max_size=1),
    "add_file": st.lists(names.filter(str.isalnum).map(lambda name: f"{name}=text\n"), max_size=2),
}


@st.composite
def made(draw):
    """A jobspec by one of the factories, with options; None where the numbers do not go together, and were refused."""
    factory = draw(st.sampled_from(sorted(SIZES)))
    first = ["#!/bin/sh\n" + draw(names), draw(names)] if factory == "from_batch_command" else [draw(words)]
    given_ = draw(st.fixed_dictionaries({"environment": environments}, optional={**SIZES[factory], **EXTRAS}))
    if factory == "from_batch_command":
        given_.pop("name", None)
    try:
        jobspec = getattr(JobspecV1, factory)(*first, **given_)
        return jobspec.apply_options(**draw(st.fixed_dictionaries({}, optional=OPTIONS)))
    except FluxplugError as error:
        refused = str(error)
    numbers = ("count", "nnodes", "ncores", "nodes", "cores", "exclusive", "per_resource", "gpus_per_node")
    assert any(word in refused for word in numbers), refused
    return None


@settings(max_examples=150)
@given(made())
def test_what_a_factory_makes_is_valid_and_comes_back(jobspec):
    if jobspec is None:
        return
    text = jobspec.dumps()
    ok, back = validate_jobspec(text, require_version=1)
    assert ok
    assert type(back) is JobspecV1
    assert back.jobspec == jobspec.jobspec
    assert back.dumps() == text
    assert Jobspec.from_yaml_stream(yaml.safe_dump(jobspec.jobspec)).jobspec == jobspec.jobspec


# Valid documents, of any shape.
counts = st.one_of(
    st.integers(1, 9),
    st.sampled_from(["1,3", "2-4", "2+", "1-8:2:*", "2-16:2:^", "7-9", "[1-2]", "3+:2"]),
    st.fixed_dictionaries({"min": st.integers(1, 4)}),
    st.integers(1, 4).map(lambda low: {"min": low, "max": low + 4, "operator": "+", "operand": 2}),
)
few = st.sampled_from(
    [1, 1, 1, 2, 3, "1-3", "1+", {"min": 1}, "1,3", {"min": 1, "max": 4, "operator": "*", "operand": 2}]
)
constraints = st.recursive(
    st.sampled_from(
        [{"properties": ["big"]}, {"properties": ["^big"]}, {"hostlist": ["node[0-1]"]}, {"ranks": ["1-9"]}, {}]
    ),
    lambda inner: st.sampled_from(["and", "or", "not"]).flatmap(
        lambda operator: st.lists(inner, max_size=2).map(lambda values: {operator: values})
    ),
    max_leaves=3,
)


@st.composite
def vertices(draw, labels, depth=0):
    kind = draw(st.sampled_from(["node", "slot", "core", "gpu", "memory", "socket", "rack"]))
    vertex = {"type": kind, "count": draw(counts)}
    if kind == "slot":
        vertex["label"] = f"s{len(labels)}"
        labels.append(vertex["label"])
    if kind == "slot" or (depth < 3 and draw(st.booleans())):
        inner = st.just({"type": "core", "count": 1}) if depth >= 3 else vertices(labels, depth + 1)
        vertex["with"] = draw(st.lists(inner, min_size=1, max_size=2))
    if draw(st.sampled_from([0, 0, 0, 1])):
        vertex["exclusive"] = draw(st.booleans())
    return vertex


@st.composite
def documents(draw):
    """Valid canonical jobspecs: half of them trees that some machine has, half of them anything."""
    labels = []
    if draw(st.booleans()):
        slot = {"type": "slot", "count": draw(few), "label": "s0", "with": [{"type": "core", "count": draw(few)}]}
        if draw(st.sampled_from([0, 0, 1])):
            slot["with"].append({"type": "gpu", "count": 1})
        resources = [{"type": "node", "count": draw(few), "with": [slot]}] if draw(st.booleans()) else [slot]
    else:
        resources = draw(st.lists(vertices(labels), min_size=1, max_size=2))
    system = draw(st.fixed_dictionaries({}, optional={"constraints": constraints}))
    version = draw(st.sampled_from([1, 2, 999]))
    if version == 1 or draw(st.booleans()):
        system["duration"] = draw(st.floats(0, 1e6))
    doc = {
        "version": version,
        "resources": resources,
        "tasks": [{"command": ["a"], "slot": "s0", "count": {"per_slot": 1}}],
        "attributes": draw(st.sampled_from([{"system": system}, {"system": system, "user": {"a": [None]}}])),
    }
    return Jobspec.from_dict(doc).jobspec


MACHINE = R(4, [4, 4, 2, 8], [0, 1, 0, 2], properties={"big": "1-3"})
TREE = {
    **MACHINE,
    "scheduling": {
        "writer": "TreePool",
        "children": [
            {"ranks": "0", "topo": {"socket": [{"cores": "0-1"}, {"cores": "2-3"}]}},
            {"ranks": "1", "topo": {"cores": "0-3", "gpus": "0"}},
            {"ranks": "2", "topo": {"cores": "0-1"}},
            {"ranks": "3", "topo": {"socket": [{"cores": "0-3", "gpus": "0"}, {"cores": "4-7", "gpus": "1"}]}},
        ],
    },
}


def outcome(call, *kinds):
    """What a call returns, or the error of one of these kinds that it raises. Any other kind of exception is a failure."""
    try:
        return call()
    except kinds as error:
        return error


def reason(error):
    return getattr(error, "reason", None) or str(error)


@pytest.mark.parametrize(("name", "machine"), [("rv1", MACHINE), ("tree", TREE), ("graph", MACHINE)])
@settings(max_examples=150)
@given(doc=documents())
def test_a_pool_serves_or_refuses_what_is_valid(name, machine, doc):
    pool = pool_class(name)(machine, clock=ManualClock())
    pool.mark_up("all")
    request = outcome(lambda: pool.parse_resource_request(doc), DocumentError, ParseError)
    if isinstance(request, FluxplugError):
        assert reason(request)
        return
    never = outcome(lambda: pool.check_feasibility(request), InfeasibleRequest)
    granted = outcome(lambda: pool.alloc(1, request), ResourceError)
    assert isinstance(granted, InfeasibleRequest) == isinstance(never, InfeasibleRequest)
    if isinstance(granted, FluxplugError):
        assert reason(granted)
    else:
        held = Rv1Set(granted.to_dict())
        assert held.ranks
        assert not held.ranks - Rv1Set(machine).ranks
    pool.check()


@settings(max_examples=50)
@given(documents())
def test_a_graph_serves_or_refuses_what_is_valid(doc):
    graph = ReapiCli()
    graph.initialize(ResourceSet(MACHINE).encode(), '{"load_format": "rv1exec"}')
    match = outcome(lambda: graph.match(Jobspec.from_dict(doc).dumps()), ReapiError)
    if isinstance(match, ReapiError):
        assert reason(match)
        return
    jobid, reserved, text, at, _ = match
    assert (reserved, at) == (False, 0)
    if text:
        graph.cancel(jobid)
