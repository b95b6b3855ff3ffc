from __future__ import annotations

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.errors import DocumentError, DocumentTypeError
from fluxplug.jobspec.document import MAX_NESTING, MAX_NODES, MAX_TEXT, MAX_YAML, check_plain, load_document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}),
        ("a: [1, 2.5, x, null, yes]\nb:\n- c\n- d: 'e'\n", {"a": [1, 2.5, "x", None, True], "b": ["c", {"d": "e"}]}),
        ("{a: 1, }", {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
        ("\ufeff{}", {}),
        ("a: !!str 5\nb: 2020-01-01\nc: '5'\nd: =\n", {"a": "5", "b": "2020-01-01", "c": "5", "d": "="}),
        ("a: 0x10\nb: 1_000\nc: 1e3\nd: 1.0e+3\n", {"a": 16, "b": 1000, "c": "1e3", "d": 1000.0}),
        ("--- \na: 1\n...\n", {"a": 1}),
        ("a: |\n  #!/bin/sh\n  x\n", {"a": "#!/bin/sh\nx\n"}),
        ("7", 7),
    ],
)
def test_reads_json_and_yaml(text, value):
    assert load_document(text) == value
    assert load_document(text.encode()) == value
    assert load_document(io.StringIO(text)) == value
    assert load_document(io.BytesIO(text.encode())) == value


def test_an_alias_is_a_copy():
    doc = load_document("base: &b {x: [1]}\nsame: *b\n")
    assert doc == {"base": {"x": [1]}, "same": {"x": [1]}}
    doc["same"]["x"].append(2)
    assert doc["base"] == {"x": [1]}


def bomb(levels, width=10):
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(lines)


def chain(levels):
    return "a0: &a0 [x]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, levels))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (bomb(30), "more than"),
        (chain(MAX_NESTING), "deeper"),
        ("&a [*a]", "alias"),
        ("*a", "alias"),
        ("[" * 100_000, "deeper"),
        ("{" * 100_000, "."),
        ("- " * 100_000, "deeper"),
        ('{"a":' * 100_000, "deeper"),
        ("[" * 100_000 + "]" * 100_000, "deeper"),
        ("a: 1\na: 2\n", "twice.*line 2"),
        ('{"a": 1, "b": {"x": 1, "x": 2}}', "'x' is given twice"),
        ("1: x\n", "key must be a string"),
        ("? [a]\n: b\n", "key must be a string"),
        ("on: x\n", "key must be a string"),
        ("a: !!python/object:os.system x\n", "tag"),
        ("a: !!binary x\n", "tag"),
        ("<<: {a: 1}\n", "merge"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("foo: bar: baz\n", "not YAML"),
        ("a: \x00", "not YAML"),
        ('a: "\\UFFFFFFFF"', "not YAML"),
        ("a: " + "9" * 5000, "not YAML"),
        ("[" + "9" * 5000 + "]", "not JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("a" * (MAX_YAML + 1), "YAML longer"),
        ("{" + " " * MAX_YAML + "a: 1}", "not JSON"),
        (" " * (MAX_TEXT + 1), "longer"),
        (b"\xff\xfe", "UTF-8"),
        (io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"), "UTF-8"),
    ],
)
def test_what_is_refused(text, reason):
    with pytest.raises(DocumentError, match=reason):
        load_document(text)


@pytest.mark.parametrize(
    ("value", "error", "path"),
    [
        ({"a": {"b": [0, float("nan")]}}, DocumentError, "a.b[1]"),
        ({"a": [float("inf")]}, DocumentError, "a[0]"),
        ({"a": 2**64}, DocumentError, "a"),
        ({"a": "\ud800"}, DocumentError, "a"),
        ({"a": {"\ud800": 1}}, DocumentError, "a"),
        ({"a": {1: 2}}, DocumentTypeError, "a"),
        ({"a": [b"x"]}, DocumentTypeError, "a[0]"),
        ({"a": {1, 2}}, DocumentTypeError, "a"),
        ([[0] * 1000] * (MAX_NODES // 1000), DocumentError, ""),
    ],
)
def test_what_is_not_plain(value, error, path):
    with pytest.raises(error) as caught:
        check_plain(value, "")
    assert type(caught.value) is error
    assert caught.value.path == path


def test_a_cycle_is_too_deep():
    loop = []
    loop.append(loop)
    with pytest.raises(DocumentError, match="deeper"):
        check_plain(loop, "")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=3), plain, max_size=3))
def test_json_comes_back_as_it_was(value):
    assert load_document(json.dumps(value)) == value
    assert check_plain(value, "") >= 1


fragments = st.sampled_from(
    [
        "a",
        ": ",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x ",
        "*x",
        "!!str ",
        "!!int ",
        "!",
        "'",
        '"',
        "|\n",
        "---\n",
        "? ",
        "#",
        "%YAML ",
        "<<",
        "0x_",
        "1:2",
        "\\x",
        "~",
        "\t",
    ]
)


@given(st.text(max_size=20) | st.lists(fragments, max_size=14).map("".join) | st.binary(max_size=20))
def test_any_text_gives_a_value_or_an_error(text):
    with contextlib.suppress(DocumentError):
        load_document(text)
