"""Jobspecs as the graph reads them: what they compile to, and what is refused in which words."""

import json

import pytest
from fluxplug_pool_graph.constraint import Constraint, JobspecError
from fluxplug_pool_graph.description import Vertex
from fluxplug_pool_graph.filters import BUILT_IN
from fluxplug_pool_graph.jobspec import UNBOUNDED, Count, Resource, compile_jobspec, expand_xor
from hypothesis import given
from hypothesis import strategies as st

TASKS = [{"command": ["app"], "slot": "s", "count": {"per_slot": 1}}]


def document(**changes):
    made = {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "s", "with": [{"type": "core", "count": 2}]}],
        "tasks": TASKS,
        "attributes": {"system": {"duration": 60}},
    }
    made.update(changes)
    return {key: value for key, value in made.items() if value is not Ellipsis}


def compiled(**changes):
    return compile_jobspec(json.dumps(document(**changes)), BUILT_IN)


def why(**changes):
    with pytest.raises(JobspecError) as caught:
        compiled(**changes)
    return str(caught.value)


def one(**entry):
    return [{"type": "node", "count": 1, **entry}]


def test_a_plain_request():
    request = compiled()
    core = Resource("core", Count(2, 2))
    assert request.resources == (Resource("slot", Count(1, 1), label="s", children=(core,)),)
    assert (request.duration, request.queue, request.constraint) == (60.0, "", None)
    assert request.exclusive_types() == frozenset()


def test_yaml_and_words_for_exclusive():
    text = """
version: 1
resources:
  - {type: node, count: "2", exclusive: true, with: [{type: core, count: 1, exclusive: "false"}]}
tasks: []
attributes: null
"""
    (node,) = compile_jobspec(text, BUILT_IN).resources
    assert (node.count, node.exclusive, node.children[0].exclusive) == (Count(2, 2), True, False)


@pytest.mark.parametrize(
    ("count", "available", "taken"),
    [
        ({"min": 2}, 7, 7),
        ({"min": 2}, 1, 0),
        ({"min": 1, "max": 9, "operator": "+", "operand": 3}, 100, 7),
        ({"min": 1, "max": 9, "operator": "+", "operand": 3}, 6, 4),
        ({"min": 3, "max": 100, "operator": "*", "operand": 2}, 90, 48),
        ({"min": 2, "max": 300, "operator": "^", "operand": 2}, 1000, 256),
        ({"min": 2, "max": 300, "operator": "^", "operand": 2}, 200, 16),
        (5, 9, 5),
        (5, 4, 0),
        (0, 4, 0),
    ],
)
def test_counts_take_as_much_as_they_can(count, available, taken):
    (node,) = compiled(resources=[{"type": "node", "count": count}]).resources
    assert node.count.fit(available) == taken


@given(st.integers(1, 50), st.integers(0, 200), st.sampled_from("+*^"), st.integers(2, 5), st.integers(0, 300))
def test_a_count_takes_the_largest_of_its_values_that_is_there(minimum, more, operator, operand, available):
    count = Count(minimum + (operator == "^"), minimum + 1 + more, operator, operand)
    values = [count.minimum]
    while values[-1] <= count.maximum:
        last = values[-1]
        values.append({"+": last + operand, "*": last * operand, "^": last**operand}[operator])
    fits = [value for value in values if value <= min(count.maximum, available)]
    assert count.fit(available) == (fits[-1] if fits else 0)


def test_a_count_that_cannot_grow_still_ends():
    assert Count(1, UNBOUNDED, "^", 2).fit(5) == 1


TEXTS = [
    ({"version": ...}, 'Missing key "version" in top level mapping'),
    ({"resources": ...}, 'Missing key "resource" in top level mapping'),
    ({"extra": 1}, "Top mapping in jobspec must have exactly four entries"),
    ({"version": "x"}, '"version" must be an unsigned integer'),
    ({"version": 10000}, 'Only jobspec "version" 1-9999 is supported'),
    ({"attributes": []}, '"attributes" is not a map'),
    ({"resources": ["x"]}, "resource is not a mapping"),
    ({"resources": [{"count": 1}]}, 'Key "type" missing from resource'),
    ({"resources": [{"type": "node"}]}, 'Key "count" missing from resource'),
    ({"resources": one(type="switch")}, 'Value of "type" must be a resource type known to fluxion'),
    ({"resources": one(exclusive=[])}, 'Value of "exclusive" must be a scalar'),
    ({"resources": one(exclusive="maybe")}, 'Value of "exclusive" must be either "true" or "false"'),
    ({"resources": one(count=[1])}, "count is not a mapping"),
    ({"resources": one(count=None)}, "count is not a mapping"),
    ({"resources": one(count={"max": 1})}, 'Key "min" missing from count'),
    (
        {"resources": one(count={"min": 1, "max": 2})},
        'All or none of "max", "operator", and "operand" must be specified',
    ),
    ({"resources": one(count={"min": 0})}, '"min" must be greater than zero'),
    (
        {"resources": one(count={"min": 3, "max": 2, "operator": "+", "operand": 1})},
        '"max" must be greater than or equal to "min"',
    ),
    ({"resources": one(count={"min": 1, "max": 2, "operator": "-", "operand": 1})}, "Invalid count operator"),
    (
        {"resources": one(count={"min": 1, "max": 2, "operator": "+", "operand": 0})},
        "\"operand\" must be greater than zero for addition '+'",
    ),
    (
        {"resources": one(count={"min": 1, "max": 2, "operator": "^", "operand": 2})},
        "\"min\" must be greater than one for exponentiation '^'",
    ),
    ({"tasks": [{"slot": "s", "count": {"total": 1}, "x": 1}]}, 'Key "command" missing from task'),
    ({"tasks": [{"slot": "s", "command": ["a"]}]}, "impossible number of entries in task mapping"),
    ({"tasks": [{**TASKS[0], "command": "a"}]}, '"command" value must be a sequence'),
    ({"tasks": [{**TASKS[0], "count": {}}]}, '"count" in task must have exactly one entry'),
    ({"attributes": {"system": {"constraints": "a"}}}, "constraint is not a mapping"),
    ({"attributes": {"system": {"constraints": {"properties": "a"}}}}, "properties operator value must be an array"),
    ({"attributes": {"system": {"constraints": {"properties": ["^f^oo"]}}}}, "^f^oo is invalid"),
]


@pytest.mark.parametrize(("changes", "text"), TEXTS)
def test_refusals(changes, text):
    assert why(**changes) == text


def test_a_bad_number_names_its_place():
    text = json.dumps(document(resources=one(count=-1)))
    column = text.index("-1") + 1
    assert why(resources=one(count=-1)) == f"yaml-cpp: error at line 1, column {column}: bad conversion"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "foo: bar: baz", "{", "\x00", "version: 1", "[" * 5000, "&a [*a]", "{: : :}", "\ud800"],
)
def test_what_is_no_jobspec_is_refused(text):
    with pytest.raises(JobspecError):
        compile_jobspec(text, BUILT_IN)


def test_aliases_that_grow_without_end_are_refused():
    lines = ["a0: &a0 {type: node, count: 1}"]
    lines += [
        f"a{n}: &a{n} {{type: node, count: 1, with: [{', '.join(['*a' + str(n - 1)] * 9)}]}}" for n in range(1, 12)
    ]
    with pytest.raises(JobspecError, match="values"):
        compile_jobspec("\n".join(lines), BUILT_IN)


@pytest.mark.parametrize(
    ("duration", "seconds"), [(0, 0.0), (1.25, 1.25), ("90", 90.0), ("-.inf", float("-inf")), (-1, -1.0)]
)
def test_durations_are_read_as_written(duration, seconds):
    assert compiled(attributes={"system": {"duration": duration}}).duration == seconds


def test_properties_must_be_quoted():
    text = json.dumps(document(attributes={"system": {"constraints": {"properties": ["a"]}}}))
    assert compile_jobspec(text, BUILT_IN).constraint == Constraint("properties", names=frozenset("a"))
    with pytest.raises(JobspecError, match="a is invalid"):
        compile_jobspec(text.replace('["a"]', "[a]"), BUILT_IN)


NODE = Vertex("node", "n", "n3", 3, 0, rank=3, properties={"a": "", "c=1": "x"})


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ({"properties": ["a"]}, True),
        ({"properties": ["a", "b"]}, False),
        ({"properties": ["^b", "c=1"]}, True),
        ({"properties": []}, True),
        ({"hostlist": ["n[1-3]", "m1"]}, True),
        ({"hostlist": []}, False),
        ({"ranks": ["0-2", 3]}, True),
        ({"ranks": ["0-2,4294967290"]}, False),
        ({"and": []}, True),
        ({"or": []}, False),
        ({"not": []}, False),
        ({"not": [{"properties": ["a"]}, {"properties": ["b"]}]}, True),
        ({"or": [{"ranks": ["7"]}, {"and": [{"hostlist": ["n3"]}, {}]}]}, True),
    ],
)
def test_constraints(constraint, holds):
    request = compiled(attributes={"system": {"constraints": constraint}})
    assert request.constraint.accepts(NODE) is holds


def test_an_empty_constraint_is_none():
    assert compiled(attributes={"system": {"constraints": {}}}).constraint is None


def xor(name, *children):
    return Resource("xor_slot", Count(1, 1), label=name, children=children)


def test_alternatives_become_slots_one_at_a_time():
    core, node = Resource("core", Count(1, 1)), Resource("node", Count(1, 1))
    first, second, third = expand_xor((xor("a", core), node, xor("b", core), xor("c", core)))
    assert [entry.type for entry in first] == ["node", "slot"]
    assert [variant[1].label for variant in (first, second, third)] == ["a", "b", "c"]
    assert expand_xor((node,)) == [(node,)]
    nested = Resource("rack", Count(1, 1), children=(xor("a"), xor("b")))
    assert len(expand_xor((nested, nested))) == 4


def test_too_many_alternatives():
    either = Resource("rack", Count(1, 1), children=(xor("a"), xor("b")))
    with pytest.raises(JobspecError, match="split_xor_slots failed"):
        expand_xor((either,) * 10)
