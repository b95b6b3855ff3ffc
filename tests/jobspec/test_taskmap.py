"""Task maps: recorded vectors, the placement rule, and texts of every kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.jobspec.taskmap import MAX_TASKS, Block, TaskMap, assign, assign_per_resource

maps = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)), max_size=6).map(
    TaskMap.from_blocks
)
counts = st.lists(st.integers(0, 9), min_size=1, max_size=6)


def placement(found):
    return [node for node, _, count in found.runs() for _ in range(count)]


def test_vectors(vectors):
    for row in vectors("taskmap"):
        if row["rfc34"] is None:
            with pytest.raises(ParseError):
                TaskMap.parse(row["in"])
            continue
        found = TaskMap.parse(row["in"])
        assert found.encode() == row["rfc34"]
        assert found.raw() == row["raw"]
        assert found.pmi() == row["pmi"]
        assert found.multiline() == row["multiline"]
        assert TaskMap.parse(row["raw"]) == TaskMap.parse(row["pmi"]) == found


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("[[0,1,1]]", 0, "entry 0 in taskmap is not four integers"),
        ("[[0,1,1,true]]", 0, "not four integers"),
        ("[[0,1,1,1.0]]", 0, "not four integers"),
        ("[[0,1,1,1],1]", 0, "entry 1 in taskmap is not an array"),
        ("[[0,1,1,-1]]", 0, "negative"),
        ('{"version":1, "map": [1]}', 21, "entry 0"),
        ('{"version":2, "map": []}', 21, "version must be 1"),
        ('{"map": []}', 8, "no version"),
        ('{"version":1}', 0, "no map"),
        ("[[0,1,1,1]", 10, "delimiter"),
        ("[" * 100_000, 0, "deep"),
        ("[" + "9" * 5000 + "]", 0, "too long|not an array"),
        ("[[0,9999999,9999999,9999999]]", 0, "at most"),
        ("[[16777215,2,1,1]]", 0, "at most"),
        ("(vector,(0,2))", 7, "expected"),
        ("(vector,(0,2,1)", 15, "expected"),
        ("(vector,(0,2,1)) x", 17, "expected"),
        ("vector", 0, "expected"),
        ("(vector,(0,99999999999,1))", 7, "too long"),
        ("0;1;1", 4, "duplicate taskid specified: 1"),
        ("0;3", 2, "missing taskid: 1"),
        ("0;x", 2, "decimal id"),
        ("0-4294967292", 0, "at most"),
    ],
)
def test_errors_say_what_and_where(text, position, reason):
    with pytest.raises(ParseError, match=reason) as caught:
        TaskMap.parse(text)
    assert caught.value.position == position


def test_documents():
    found = TaskMap.from_document({"version": 1, "map": [[0, 2, 4, 1]]})
    assert found.blocks == (Block(0, 2, 4, 1),)
    assert TaskMap.from_document(found.to_document()) == found
    with pytest.raises(DocumentTypeError):
        TaskMap.from_document("[]", "taskmap")
    with pytest.raises(DocumentError, match="taskmap: entry 0"):
        TaskMap.from_document([[1]], "taskmap")


def test_blocks_without_tasks_are_dropped():
    assert TaskMap.parse("[[0,1,2,1],[1,0,1,1]]").encode() == "[[0,1,2,1]]"
    assert TaskMap.parse("").encode() == TaskMap.parse("(vector)").encode() == "[]"


def test_compression_widens_before_it_repeats():
    assert TaskMap.parse("0,2;1,3;4").encode() == "[[0,2,1,1],[0,3,1,1]]"


def test_nodes_without_tasks():
    found = TaskMap.parse("[[2,1,2,1],[0,1,1,1]]")
    assert found.raw() == "2;;0-1"
    assert TaskMap.parse(found.raw()) == found
    assert not found.taskids(1)
    assert not found.taskids(7)
    assert (found.nnodes, found.ntasks) == (3, 3)
    for task in (-1, 3):
        with pytest.raises(IndexError):
            found.nodeid(task)


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (TaskMap.block([4, 4, 4, 4]), "[[0,4,4,1]]"),
        (TaskMap.cyclic([4, 4, 4, 4]), "[[0,4,1,4]]"),
        (TaskMap.cyclic([4, 4, 4, 4], 2), "[[0,4,2,2]]"),
        (TaskMap.block([2, 2, 2, 2, 4, 4]), "[[0,4,2,1],[4,2,4,1]]"),
        (TaskMap.cyclic([2, 2, 2, 2, 4, 4]), "[[0,6,1,2],[4,2,1,2]]"),
        (TaskMap.block([]), "[]"),
    ],
)
def test_schemes(built, text):
    assert built.encode() == text


@given(counts, st.integers(1, 4))
def test_cyclic_equals_dealing_cards(given_counts, stride):
    left = list(given_counts)
    expected = []
    while any(left):
        for node, count in enumerate(left):
            expected += [node] * min(stride, count)
            left[node] -= min(stride, count)
    assert placement(TaskMap.cyclic(given_counts, stride)) == expected


@pytest.mark.parametrize(
    ("cores", "ntasks", "cores_per_task", "expected"),
    [
        ([4, 4], 4, 1, [2, 2]),
        ([4, 4], 3, 1, [2, 1]),
        ([2, 4], 3, 1, [1, 2]),
        ([2, 4], 6, 1, [2, 4]),
        ([2, 4], 7, 1, [2, 5]),
        ([2, 4], 3, 2, [1, 2]),
        ([1, 4], 5, 2, [1, 4]),
        ([4, 4, 4], 5, 4, [2, 2, 1]),
        ([0, 2], 4, 1, [2, 2]),
    ],
)
def test_assign(cores, ntasks, cores_per_task, expected):
    assert assign(cores, ntasks, cores_per_task) == expected


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6), st.integers(1, 60), st.integers(1, 10))
def test_assign_fills_before_it_oversubscribes(cores, ntasks, cores_per_task):
    got = assign(cores, ntasks, cores_per_task)
    assert sum(got) == ntasks
    size = min(cores_per_task, *cores)
    room = [number // size for number in cores]
    rounds = (ntasks - 1) // sum(room)
    assert all(rounds * one <= count <= (rounds + 1) * one for count, one in zip(got, room, strict=True))


def test_assign_arguments():
    for arguments in (([], 1, 1), ([-1], 1, 1), ([1], 0, 1), ([1], 1, 0), ([1], MAX_TASKS + 1, 1)):
        with pytest.raises(ValueError, match="need"):
            assign(*arguments)
    assert assign_per_resource([3, 5], "node", 2) == [2, 2]
    assert assign_per_resource([3, 5], "core", 2) == [6, 10]
    for arguments in (([1], "gpu", 1), ([1], "node", 0)):
        with pytest.raises(ValueError, match="per-resource"):
            assign_per_resource(*arguments)
    with pytest.raises(ValueError, match="stride"):
        TaskMap.cyclic([1], 0)


@given(maps)
def test_every_text_form_gives_the_same_placement(found):
    expected = placement(found)
    assert TaskMap.parse(found.encode()) == found
    assert TaskMap.from_document(found.to_document()) == found
    assert placement(TaskMap.parse(found.pmi())) == expected
    assert placement(TaskMap.parse(found.raw())) == expected
    assert found.multiline() == "\n".join(f"{task}: {node}" for task, node in enumerate(expected))
    assert [found.nodeid(task) for task in range(found.ntasks)] == expected
    for node in range(found.nnodes):
        assert found.taskids(node).expand() == [task for task, place in enumerate(expected) if place == node]


@given(st.text(alphabet='0123456789,;-[](){}":vector mapsin', max_size=40) | st.text(max_size=20))
def test_any_text_is_a_map_or_an_error(text):
    try:
        TaskMap.parse(text)
    except ParseError as error:
        position = error.position
    else:
        position = 0
    assert 0 <= position <= len(text)
