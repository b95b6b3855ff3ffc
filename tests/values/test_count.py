"""Counts: recorded vectors of three readers, and texts and documents of every kind."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, DocumentTypeError, ParseError
from fluxplug.values.count import MAX_COUNT, MAX_VALUES, ResourceCount, check_count, encode_count

# formats.md section 30 row 4. (column, input) -> why we differ. The validator of the original tries the idset decoder
# alone on texts without + or :, and ranges without their brackets.
WE_REJECT = {
    ("jobspec_validation_ok", ""): "an empty set of counts can never be met",
    ("jobspec_validation_ok", "[]"): "an empty set of counts can never be met",
    ("jobspec_validation_ok", "[0]"): "a count is at least 1",
    ("jobspec_validation_ok", "2-8:01"): "RFC 45 numbers have no leading zeros",
    ("ResourceCount", "2-8:01"): "RFC 45 numbers have no leading zeros",
}
WE_ACCEPT = {
    ("jobspec_validation_ok", text): "RFC 45 allows brackets around any range, and the other two readers take them"
    for text in ("[3-3]", "[2+]", "[2-5:3]", "[2-5:1:+]", "[2-8:2:*]", "[25-133:17:+]")
}


def key(column, value):
    return (column, value) if isinstance(value, str) else None


def accepts(function, value):
    try:
        function(value)
    except ValueError:
        return False
    return True


def test_tables_name_recorded_rows(vectors):
    recorded = {row["in"] for row in vectors("count")["specs"] if isinstance(row["in"], str)}
    assert {text for _, text in WE_REJECT.keys() | WE_ACCEPT.keys()} <= recorded


def test_resource_count_vectors(vectors):
    for row in vectors("count")["specs"]:
        value, expected = row["in"], row["ResourceCount"]
        if "exc" in expected or key("ResourceCount", value) in WE_REJECT:
            with pytest.raises((ParseError, DocumentError)):
                ResourceCount.from_count_spec(value)
            continue
        count = ResourceCount.from_count_spec(value)
        assert {"min": count.min, "max": count.max, "values": count.values} == expected, value


def test_validation_vectors(vectors):
    for row in vectors("count")["specs"]:
        value = row["in"]
        name = key("jobspec_validation_ok", value)
        expected = (row["jobspec_validation_ok"] or name in WE_ACCEPT) and name not in WE_REJECT
        assert accepts(lambda value: check_count(value, "resources[0].count"), value) == expected, value


def test_codec_vectors(vectors):
    for row in vectors("count")["specs"]:
        value, expected = row["in"], row.get("c")
        if expected:
            assert encode_count(value) == expected["short"]
            assert encode_count(value, long=True) == expected["full"]
        elif "c" in row:
            with pytest.raises((ParseError, DocumentError)):
                encode_count(value)


def test_valid_counts_vectors(vectors):
    for row in vectors("count")["valid_counts"]:
        count = ResourceCount.from_count_spec(row["count"])
        assert list(count.valid_counts(row["available"])) == row["valid_counts"]


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        ([1, 2], DocumentTypeError, "not list"),
        (None, DocumentTypeError, "not NoneType"),
        (1.5, DocumentTypeError, "not float"),
        ({"min": "1"}, DocumentTypeError, "min must be an integer"),
        ({"min": True}, DocumentTypeError, "min must be an integer"),
        ({"min": 1, "max": 2, "operator": "add", "operand": 1}, DocumentTypeError, "single character"),
        ({"min": 1, "max": 2, "operator": "/", "operand": 1}, DocumentError, "one of"),
        ({"min": 1, "max": 2, "operand": 1}, DocumentError, "together"),
        ({"min": 1, "max": 2, "operator": "+"}, DocumentError, "together"),
        ({"max": 2}, DocumentError, "min must be in range"),
        ({"min": 1, "max": 10**400}, DocumentError, "max must be in"),
        (10**400, DocumentError, "at most"),
        (0, DocumentError, "at least 1"),
        ("bar", DocumentError, "valid idset or range"),
    ],
)
def test_check_count_names_the_place(value, kind, reason):
    with pytest.raises(DocumentError, match=reason) as caught:
        check_count(value, "resources[0].count")
    assert type(caught.value) is kind
    assert caught.value.path == "resources[0].count"


def test_check_count_minimum():
    check_count(0, "", minimum=0)
    with pytest.raises(DocumentError):
        check_count(-1, "", minimum=0)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("[]", 1),
        ("[", 0),
        ("[2", 0),
        ("0", 0),
        ("[0,1]", 1),
        (",", 0),
        ("1x", 1),
        ("1-", 2),
        ("[1-]", 3),
        ("1+:", 3),
        ("1+:2:", 5),
        ("1+x", 2),
        ("[1-2:3:%]", 7),
        ("5-4", 3),
        ("1+1", 2),
        ("2-9:" + "9" * 30, 4),
        ("9" * 9000, 0),
    ],
)
def test_error_positions(text, position):
    with pytest.raises(ParseError) as caught:
        encode_count(text)
    assert caught.value.position == position


def test_short_texts_of_long_lists_are_not_expanded():
    assert ResourceCount.from_count_spec("1-4294967290:1") == ResourceCount(1, 4294967290)
    assert ResourceCount.from_count_spec("1-4294967290") == ResourceCount(1, 4294967290)
    for text in ("1-4294967290:2", "1-4294967290,4294967292", f"1-{MAX_COUNT}:2"):
        with pytest.raises(ParseError, match="more than"):
            ResourceCount.from_count_spec(text)
        check_count(text, "")
    with pytest.raises(DocumentError, match="more than"):
        ResourceCount.from_count_spec({"min": 1, "max": MAX_COUNT, "operator": "+", "operand": 2})
    with pytest.raises(ParseError, match="more than"):
        encode_count("1-4294967290", long=True)
    assert encode_count("1-4294967290") == "1-4294967290"
    assert len(ResourceCount.from_count_spec(f"1-{2 * MAX_VALUES}:2").values) == MAX_VALUES
    assert next(ResourceCount.from_count_spec("2+").valid_counts(MAX_COUNT)) == MAX_COUNT
    assert ResourceCount.from_count_spec(f"3-{MAX_COUNT}:{MAX_COUNT}:^").values == [3]


def test_the_shape_parsers_infinity_is_no_maximum():
    assert ResourceCount.from_count_spec({"min": 3, "max": math.inf}) == ResourceCount(3, None)
    check_count({"min": 3, "max": math.inf, "operand": 2, "operator": "+"}, "")


def test_scaled_and_hash():
    count = ResourceCount.from_count_spec("1,4").scaled(3)
    assert (count.min, count.max, count.values) == (3, 12, [3, 12])
    assert ResourceCount.from_count_spec("2+").scaled(2) == ResourceCount(4, None)
    assert hash(count) == hash(ResourceCount(3, 12, [3, 12]))
    with pytest.raises(ValueError, match="at least 1"):
        count.scaled(0)


progressions = st.builds(
    lambda low, more, operator, operand: {"min": low, "max": low + more, "operator": operator, "operand": operand},
    st.integers(2, 50),
    st.integers(0, 5000),
    st.sampled_from("+*^"),
    st.integers(2, 9),
)


@given(progressions)
def test_values_are_the_progression(value):
    step = {"+": int.__add__, "*": int.__mul__, "^": pow}[value["operator"]]
    expected = [value["min"]]
    while step(expected[-1], value["operand"]) <= value["max"]:
        expected.append(step(expected[-1], value["operand"]))
    count = ResourceCount.from_count_spec(value)
    assert count.values == expected
    assert list(count.valid_counts(value["max"])) == expected[::-1]


@given(progressions | st.sets(st.integers(1, 60), min_size=1).map(lambda ids: ",".join(map(str, sorted(ids)))))
def test_canonical_texts_mean_the_same(value):
    for long in (False, True):
        text = encode_count(value, long=long)
        assert encode_count(text, long=long) == text
        count, again = ResourceCount.from_count_spec(value), ResourceCount.from_count_spec(text)
        assert list(count.valid_counts(10**6)) == list(again.valid_counts(10**6))


@given(st.text(alphabet="0123456789,-[]+*^: ", max_size=20) | st.text(max_size=20))
def test_any_text_is_a_count_or_an_error(text):
    try:
        short = encode_count(text)
    except ParseError as error:
        position = error.position
    else:
        position = 0
        assert encode_count(short) == short
    assert 0 <= position <= len(text)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["min", "max", "operator", "operand", "x"]), inner, max_size=5)
    ),
    max_leaves=6,
)


@given(json)
def test_any_document_is_a_count_or_an_error(value):
    for read in (encode_count, ResourceCount.from_count_spec, lambda value: check_count(value, "count")):
        accepts(read, value)
