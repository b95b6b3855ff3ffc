"""How plugins declare their keys, and the scanner that knows the line of every key of a TOML text."""

from __future__ import annotations

import math
import re

import attrs
import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxplug.config import option
from fluxplug.config.options import keys_of
from fluxplug.config.source import label, lines_of


class TestOptions:
    def test_what_a_class_says_of_its_keys(self):
        @attrs.frozen
        class Params:
            half_life: float = option(90.0, help="how fast", unit="seconds", min=0)
            names: list[str] = option(["a"])  # noqa: RUF009 - it makes an attrs field
            mode: str = option("x", choices=("x", "y"))
            plain: int = 3
            must: bool = option()

        keys = keys_of(Params)
        assert {name: (key.type_text, key.default_text, key.unit, key.range_text) for name, key in keys.items()} == {
            "half-life": ("duration", "90.0", "seconds", "0 or more"),
            "names": ("list of strings", '["a"]', "", ""),
            "mode": ("string", '"x"', "", 'one of "x", "y"'),
            "plain": ("integer", "3", "", ""),
            "must": ("boolean", "required", "", ""),
        }
        assert keys["half-life"].help == "how fast"
        assert keys["half-life"].convert("1.5h") == 5400.0

    @pytest.mark.parametrize(
        ("default", "rules"),
        [(0, {"min": 1}), (11, {"max": 10}), ("z", {"choices": ("x", "y")}), ([1, -1], {"min": 0}), (math.nan, {})],
    )
    def test_a_default_must_keep_its_own_rules(self, default, rules):
        with pytest.raises(ValueError, match=r"^default .* is "):
            option(default, **rules)

    @pytest.mark.parametrize(
        "kind", [complex, list, list[list[int]], tuple[int, str], "int | str", "Path", dict[int, int] | int]
    )
    def test_other_types_are_refused(self, kind):
        cls = attrs.make_class("Params", {"field": attrs.field(type=kind)})
        with pytest.raises(TypeError, match=r"Params.*(is no type of a configuration key|unknown at run time)"):
            keys_of(cls)


# Keys and values whose TOML is written below in all the ways that the scanner has to understand.
NAMES = st.text(alphabet="ab-_9", min_size=1, max_size=3) | st.sampled_from(
    ['"', "'", "]", "a.b", "# x", "=", " ", "é", "[[", "\\"]
)
LEAVES = st.sampled_from(
    [
        "1",
        "true",
        '"a # [x] = {"',
        "'# \" ]'",
        '"""\n"" [\n\\"""""',
        "'''\n[a]\nb = 1\n''''",
        "1979-05-27 07:32:00",
        '"\\""',
    ]
)


@st.composite
def documents(draw):
    """A TOML text and the line of every key and element in it."""
    expected = {}
    text = ""

    def put(more):
        nonlocal text
        text += more

    def now():
        return text.count("\n") + 1

    def key(name):
        return tomlish(name) if draw(st.booleans()) or not re.fullmatch(r"[A-Za-z0-9_-]+", name) else name

    def value(path, depth):
        kind = draw(st.sampled_from(["leaf", "array", "inline"] if depth else ["leaf"]))
        if kind == "leaf":
            put(draw(LEAVES))
        elif kind == "array":
            put("[")
            for i in range(draw(st.integers(0, 3))):
                put(draw(st.sampled_from(["", " ", "\n", " # ] no\n"])))
                expected[(*path, i)] = now()
                value((*path, i), depth - 1)
                put(draw(st.sampled_from([",", " ,\n", "\n,"])))
            put("]")
        else:
            put("{")
            for i, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
                put(", " if i else " ")
                expected[(*path, name)] = now()
                put(f"{key(name)} = ")
                value((*path, name), depth - 1)
            put("}")

    def body(path):
        for name in draw(st.lists(NAMES.map(lambda name: "k" + name), max_size=3, unique=True)):
            put(draw(st.sampled_from(["", "\n", "  # k = 1\n", "\t"])))
            expected[(*path, name)] = now()
            put(f"{key(name)} =  ")
            value((*path, name), 2)
            put(draw(st.sampled_from(["\n", " # [x]\n", "\r\n"])))

    body(())
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        expected[("t" + name,)] = now()
        if draw(st.booleans()):
            put(f"[ {key('t' + name)} ] # x\n")
            body(("t" + name,))
            continue
        for i in range(draw(st.integers(1, 2))):
            expected[("t" + name, i)] = now()
            put(f"[[{key('t' + name)}]]\n")
            body(("t" + name, i))
            if draw(st.booleans()):
                expected[("t" + name, i, "sub")] = now()
                put(f"[{key('t' + name)} .sub]\n")
                body(("t" + name, i, "sub"))
    return text, expected


def tomlish(name):
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


class TestLines:
    @settings(max_examples=300, deadline=None)
    @given(documents())
    def test_every_key_of_any_document(self, document):
        text, expected = document
        tomli.loads(text)
        assert lines_of(text) == expected

    def test_dotted_keys_have_the_line_of_their_first_mention(self):
        assert lines_of("a.b = 1\na.c = 2\n[x.y]\nz.z = 3") == {
            ("a",): 1,
            ("a", "b"): 1,
            ("a", "c"): 2,
            ("x",): 3,
            ("x", "y"): 3,
            ("x", "y", "z"): 4,
            ("x", "y", "z", "z"): 4,
        }

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            (("sched",), "[sched]"),
            (("sched", "a", "b"), "[sched] a.b"),
            (("queues", "x", "requires", 0), "[queues.x] requires[0]"),
            (("resource", "config", 1, "cores"), "[resource] config[1].cores"),
            (("queues", "a\nb", "c d"), r'[queues."a\nb"] "c d"'),
        ],
    )
    def test_names_of_places(self, path, text):
        assert label(path) == text
