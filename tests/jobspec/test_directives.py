"""Directives in batch scripts: recorded vectors, and what they leave open."""

from __future__ import annotations

import contextlib
import io
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxplug.jobspec.directives import Directive, DirectiveParser, DirectiveSyntaxError


def parse(text):
    return DirectiveParser(io.StringIO(text)).directives


def args(text):
    return [one.args for one in parse(text)]


def test_recorded(vectors):
    for row in vectors("directives"):
        if "error" in row:
            with pytest.raises(ValueError, match=r"^line ") as caught:
                parse(row["input"])
            # The recorded advice on changed sentinels is told in other words.
            recorded = row["error"].split("\n")[0]
            assert str(caught.value).startswith(recorded), row
        else:
            found = DirectiveParser(io.StringIO(row["input"]))
            assert found.script == row["input"]
            expected = [Directive(one["line"], one["action"], one["args"]) for one in row["directives"]]
            assert found.directives == expected, row


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (" --x=a#b # c", ["--x=a#b"]),
        (r" --x=a\ b --y=\#", ["--x=a b", "--y=#"]),
        (r""" --x="a \"b\" \\ \n '" """, [r"--x=" + 'a "b" \\ \\n \'']),
        (" --x='' ''", ["--x=", ""]),
        (" --x=a'b'\"c\"", ["--x=abc"]),
        (" --x='''a \\ ' \"''' -y", ["--x=a \\ ' \"", "-y"]),
        (" --x=''''''", ["--x="]),
        (" -a;b|c&d(e)", ["-a;b|c&d(e)"]),
        (" -n4\r", ["-n4"]),
    ],
)
def test_words(rest, words):
    assert args(f"#FLUX:{rest}\n") == [words]


@pytest.mark.parametrize(
    ("text", "lineno", "reason"),
    [
        ('#FLUX: --x="""\n#FLUX: a\n', 3, "unterminated multi-line quote at line 1"),
        ('#FLUX: --x="""\n#FLUX: a', 2, "unterminated multi-line quote at line 1"),
        ('#FLUX: --x="""\n#flux: a\n', 2, "sentinel changed"),
        ("#FLUX: --x=\\", 1, "No escaped character"),
        ("#FLUX: x -n4", 1, "Unknown directive"),
        ("#FLUX:\nhostname\n#FLUX: -n1\n", 3, "orphan 'FLUX:' detected: directives disabled after line 1"),
        ("#FLUX: # a\nhostname\n  flux: -n1\n", 3, "orphan 'flux:' detected: directives disabled after line 1"),
    ],
)
def test_errors_name_the_line(text, lineno, reason):
    with pytest.raises(DirectiveSyntaxError, match=reason) as caught:
        parse(text)
    assert caught.value.lineno == lineno


def test_multi_line_quotes():
    text = '# flux: -x --f="""\n# flux:   one\n# flux:     two\n# flux: three """ \n# flux: -y\n'
    assert args(text) == [["-x", "--f=one\n  two\nthree "], ["-y"]]
    assert args('#flux: --f="""\n#flux:"""\n') == [["--f="]]


def test_binary_files():
    assert DirectiveParser(io.BytesIO("#FLUX: --x=é\n".encode())).directives == [Directive(1, "SETARGS", ["--x=é"])]
    with pytest.raises(DirectiveSyntaxError, match="line 2: a script must be UTF-8"):
        DirectiveParser(io.BytesIO(b"#!/bin/sh\n#FLUX: --x=\xff\n"))


@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=12), max_size=4))
def test_quoted_words_come_back(words):
    words = ["-x", *words]
    assert args(f"#FLUX: {shlex.join(words)}\n") == [words]


@given(st.text(alphabet="fluxFLUX:# -\"'\\a\n\t", max_size=60))
def test_any_text_is_parsed_or_refused(text):
    with contextlib.suppress(DirectiveSyntaxError):
        for one in parse(text):
            assert one.args or one.action == "NOOP"
