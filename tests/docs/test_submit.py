"""docs/submit.md against the table of options, and the commands that it names against the parser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fluxplug.cli.submission import page
from fluxplug.cli.submission.options import COMMANDS, TABLE
from fluxplug.cli.submission.templates import _FIELD
from fluxplug.cli.submission.values import READERS

TEXT = (Path(__file__).parents[2] / "docs" / "submit.md").read_text(encoding="utf-8")


def test_the_options_are_those_of_the_table():
    assert page.rewrite(TEXT) == TEXT, "run: python -m fluxplug.cli.submission.page docs/submit.md"


def test_a_page_without_marks():
    with pytest.raises(ValueError, match="expected the lines"):
        page.rewrite("# Submit\n")


def test_each_option_has_a_row_for_each_command():
    shown = re.findall(r"^\| (`-.*?`) \| ", TEXT[TEXT.index(page.BEGIN) : TEXT.index(page.END)], flags=re.MULTILINE)
    names = [one.name for one in TABLE if not one.hidden]
    assert len(shown) == len(names)
    assert all(re.search(rf"`{name}[=`\[]", " ".join(shown)) for name in names)
    assert all(f"`fluxplug {prog} " in TEXT for prog in COMMANDS)


def test_every_kind_of_value_has_a_reader():
    assert {one.kind for one in TABLE if one.kind} == set(READERS)


def test_documented_fields_are_fields():
    section = TEXT[TEXT.index("in the command and in option values") : TEXT.index("`{{id}}`")]
    fields = re.findall(r"`(\{[^`]*\})`", section)
    assert len(fields) == 13
    assert all(_FIELD.fullmatch(field) for field in fields)
