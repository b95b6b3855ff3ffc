from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.model import Jobspec
from fluxplug.jobspec.query import MAX_DEPTH
from fluxplug.jobspec.v1 import JobspecV1
from fluxplug.jobspec.validate import MAX_VERTICES

# What Flux's Python classes accept and the RFC texts forbid: (source, row) -> (classes that refuse it here, reason).
DEVIATIONS = {
    ("digest", "duration_string"): ({"Jobspec"}, "RFC 14: duration is a number; its reader would fail on it"),
    ("digest", "duration_negative"): ({"Jobspec", "JobspecV1"}, "RFC 14: duration is 0 or more"),
    ("digest", "two_tasks"): ({"JobspecV1"}, "RFC 25: exactly one task; the second would never run"),
    ("digest", "per_slot_2"): ({"JobspecV1"}, "RFC 25: per_slot is 1 (formats section 30, item 5)"),
    ("digest", "no_core"): ({"Jobspec", "JobspecV1"}, "RFC 14: a slot holds at least one resource"),
    ("digest", "resources_empty"): ({"Jobspec", "JobspecV1"}, "RFC 14: resources are not empty"),
    ("digest", "tasks_empty"): ({"Jobspec", "JobspecV1"}, "RFC 14: tasks are not empty"),
    ("digest", "bool_count"): ({"Jobspec", "JobspecV1"}, "RFC 14: a count is an integer; True is none"),
}
# Counts of which the recorded verdict of Flux's validator is a defect (formats section 5): text -> (verdict here, reason).
COUNT_DEVIATIONS = {
    '""': (False, "empty"),
    '"[]"': (False, "empty"),
    '"[0]"': (False, "0 is no count"),
    '"[3-3]"': (True, "RFC 45: a range may be bracketed"),
    '"[2+]"': (True, "RFC 45: a range may be bracketed"),
    '"[2-5:3]"': (True, "RFC 45: a range may be bracketed"),
    '"[2-5:1:+]"': (True, "RFC 45: a range may be bracketed"),
    '"[2-8:2:*]"': (True, "RFC 45: a range may be bracketed"),
    '"[25-133:17:+]"': (True, "RFC 45: a range may be bracketed"),
    '"2-8:01"': (False, "RFC 45: no leading zeros"),
    "true": (False, "RFC 14: an integer"),
}


def verdict(cls, doc):
    try:
        cls.from_dict(doc)
    except DocumentError as error:
        return "TypeError" if isinstance(error, TypeError) else "ValueError"
    return True


def test_recorded_verdicts(vectors):
    deviating = {}
    for row in vectors("jobspec_corpus"):
        if "yaml" in row:
            with pytest.raises(DocumentError):
                Jobspec.from_yaml_stream(row["yaml"])
            continue
        for cls in (Jobspec, JobspecV1):
            recorded = row[cls.__name__] if row[cls.__name__] is True else row[cls.__name__].split(":")[0]
            if verdict(cls, row["jobspec"]) != recorded:
                assert recorded is True, (row["name"], "accepted, or refused in another way than Flux does")
                deviating.setdefault((row["source"], row["name"]), set()).add(cls.__name__)
    assert deviating == {row: classes for row, (classes, _) in DEVIATIONS.items()}


def simple(**changes):
    doc = {
        "version": 1,
        "resources": [{"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["a"], "slot": "t", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0}},
    }
    return {**doc, **changes}


def system(**values):
    return simple(attributes={"system": {"duration": 0, **values}})


def slot(**changes):
    return {"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}], **changes}


def test_recorded_counts(vectors):
    deviating = {}
    for row in vectors("count")["specs"]:
        got = verdict(Jobspec, simple(resources=[slot(count=row["in"])])) is True
        if got != row["jobspec_validation_ok"]:
            deviating[json.dumps(row["in"])] = got
    assert deviating == {text: got for text, (got, _) in COUNT_DEVIATIONS.items()}


def test_the_flux_jobs_of_other_vectors_are_valid(vectors):
    jobspecs = [row["jobspec"] for row in vectors("jobspec_factories")["rows"] if "jobspec" in row]
    jobspecs += [job["jobspec"] for job in vectors("job_lifecycles")["jobs"].values() if "jobspec" in job]
    assert jobspecs
    for doc in jobspecs:
        assert verdict(JobspecV1, doc) is True


@pytest.mark.parametrize(
    ("doc", "error", "path"),
    [
        (simple(resources=[slot(count=0)]), DocumentError, "resources[0].count"),
        (
            simple(resources=[slot(**{"with": [{"type": "core", "count": "x"}]})]),
            DocumentError,
            "resources[0].with[0].count",
        ),
        (simple(resources=[slot(count={"min": 1, "max": float("inf")})]), DocumentTypeError, "resources[0].count"),
        (simple(resources=[slot(), slot()]), DocumentError, "resources[1].label"),
        (simple(resources=[{"type": "slot", "count": 1, "label": "t"}]), DocumentError, "resources[0]"),
        (simple(resources=[slot(**{"with": []})]), DocumentError, "resources[0].with"),
        (simple(tasks=[]), DocumentError, "tasks"),
        (simple(tasks=[{"command": ["a"], "slot": 1, "count": {"total": 1}}]), DocumentTypeError, "tasks[0].slot"),
        (
            simple(tasks=[{"command": ["a"], "slot": "t", "count": {"total": True}}]),
            DocumentTypeError,
            "tasks[0].count.total",
        ),
        (simple(tasks=[{"command": ["a"], "slot": "t", "count": {"some": 1}}]), DocumentError, "tasks[0].count"),
        (
            simple(tasks=[{"command": ["a"], "slot": "t", "count": {"per_resource": {"type": "node"}}}]),
            DocumentError,
            "tasks[0].count.per_resource",
        ),
        (simple(attributes={"system": 1}), DocumentTypeError, "attributes.system"),
        (simple(attributes={"user": 1}), DocumentTypeError, "attributes.user"),
        (system(duration=float("nan")), DocumentError, "attributes.system.duration"),
        (system(duration=True), DocumentError, "attributes.system.duration"),
        (system(environment={"A": 1}), DocumentTypeError, "attributes.system.environment.A"),
        (system(queue=None), DocumentTypeError, "attributes.system.queue"),
        (system(constraints=None), DocumentTypeError, "attributes.system.constraints"),
        (system(constraints={"and": [{"foo": []}]}), DocumentTypeError, "attributes.system.constraints.and[0]"),
        (system(dependencies=[{"scheme": "afterok"}]), DocumentError, "attributes.system.dependencies[0]"),
        (system(job={"name": 1}), DocumentTypeError, "attributes.system.job.name"),
        (
            simple(attributes={"system": {"shell": {"options": []}}}),
            DocumentTypeError,
            "attributes.system.shell.options",
        ),
        (system(x=[{"y": float("inf")}]), DocumentError, "attributes.system.x[0].y"),
        (simple(version=True), DocumentTypeError, "version"),
        (simple(version=2**70), DocumentError, "version"),
        ([], DocumentTypeError, ""),
    ],
)
def test_errors_know_their_path(doc, error, path):
    with pytest.raises(error) as caught:
        Jobspec.from_dict(doc)
    assert type(caught.value) is error
    assert caught.value.path == path
    assert str(caught.value).startswith(path)


def test_what_stays_allowed():
    assert (
        verdict(
            JobspecV1, simple(resources=[slot(**{"with": [{"type": "core", "count": 1}, {"type": "gpu", "count": 0}]})])
        )
        is True
    )
    assert verdict(JobspecV1, simple(resources=[slot(colour="blue", unit="x", id="1-3", exclusive=True)])) is True
    assert verdict(JobspecV1, system(colour={"blue": None}, **{"preemptible-after": 60})) is True
    assert verdict(JobspecV1, system(environment={"A": None, "B": "x"}, files=[])) is True
    assert verdict(Jobspec, simple(resources=[slot(count="[2+]")])) is True


def nested_resources(levels):
    vertex = {"type": "core", "count": 1}
    for _ in range(levels - 1):
        vertex = {"type": "numa", "count": 1, "with": [vertex]}
    return simple(resources=[vertex])


def test_sizes_are_bounded():
    assert verdict(Jobspec, nested_resources(MAX_DEPTH)) is True
    for doc in (
        nested_resources(MAX_DEPTH + 1),
        nested_resources(100_000),
        simple(resources=[{"type": "core", "count": 1}] * (MAX_VERTICES + 1)),
    ):
        with pytest.raises(DocumentError):
            Jobspec.from_dict(doc)


names = st.text("abc-", min_size=1, max_size=4)
counts = (
    st.integers(1, 100)
    | st.sampled_from(["2-4", "1,3", "2+", "2-16:2:*", "[4-8:2]"])
    | st.builds(lambda low, more: {"min": low, "max": low + more}, st.integers(1, 9), st.integers(0, 9))
)
vertices = st.recursive(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["core", "gpu", "memory", "node"]), "count": counts}, optional={"unit": names}
    ),
    lambda inner: st.fixed_dictionaries(
        {
            "type": st.sampled_from(["node", "rack", "numa"]),
            "count": counts,
            "with": st.lists(inner, min_size=1, max_size=2),
        },
        optional={"exclusive": st.booleans(), "label": names, "id": st.just("1-3")},
    ),
    max_leaves=5,
)
jobspecs = st.fixed_dictionaries(
    {
        "version": st.just(9999),
        "resources": st.lists(vertices, max_size=2).map(lambda some: [slot(), *some]),
        "tasks": st.lists(
            st.fixed_dictionaries(
                {
                    "command": st.lists(st.text(max_size=4), min_size=1, max_size=3),
                    "slot": names,
                    "count": st.sampled_from(["per_slot", "total"]).flatmap(
                        lambda k: st.fixed_dictionaries({k: st.integers(1, 9)})
                    )
                    | st.just({"per_resource": {"type": "core", "count": 2}}),
                },
                optional={"distribution": names, "attributes": st.just({"environment": {"A": None}})},
            ),
            min_size=1,
            max_size=2,
        ),
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "user": st.dictionaries(
                    names, st.none() | st.integers(-5, 5) | st.lists(names, max_size=2), max_size=2
                ),
                "system": st.fixed_dictionaries(
                    {},
                    optional={
                        "duration": st.floats(0, 1e9) | st.integers(0, 10),
                        "environment": st.dictionaries(names, st.none() | names, max_size=2),
                        "constraints": st.sampled_from(
                            [{}, {"properties": ["a", "^b"]}, {"not": [{"ranks": ["0-3"]}]}]
                        ),
                        "dependencies": st.lists(st.just({"scheme": "afterok", "value": "f1"}), max_size=1),
                        "queue": names,
                        "shell": st.just({"options": {"verbose": 1}}),
                    },
                ),
            },
        ),
    }
)


@given(jobspecs)
def test_generated_jobspecs_are_valid_and_come_back_from_text(doc):
    jobspec = Jobspec.from_dict(doc)
    assert Jobspec.from_yaml_stream(jobspec.dumps()).jobspec == doc
    assert sum(1 for _ in jobspec) == sum(1 for _ in jobspec.resource_walk())
    assert all(total >= 1 for total in jobspec.resource_counts().values())


def places(value, place=()):
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from places(child, (*place, key))


junk = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        2**80,
        1.5,
        float("nan"),
        "",
        "x",
        "\ud800",
        b"x",
        [],
        [None],
        {},
        {"a": 1},
        {1: 2},
        (),
        object(),
    ]
)


@given(jobspecs, st.data())
def test_a_mutated_jobspec_gives_a_jobspec_or_a_document_error(doc, data):
    doc = copy.deepcopy(doc)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([place for place in places(doc) if place]))
        parent = doc
        for key in way:
            parent = parent[key]
        if data.draw(st.booleans()):
            parent[last] = data.draw(junk)
        else:
            del parent[last]
        if not doc:
            break
    for cls in (Jobspec, JobspecV1):
        try:
            jobspec = cls.from_dict(doc)
        except DocumentError:
            continue
        json.loads(jobspec.dumps())
        jobspec.resource_counts()
