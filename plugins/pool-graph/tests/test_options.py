"""The command line of resource-query, as getopt_long reads it."""

import pytest
from fluxplug_pool_graph.query.options import Settings, UsageError, read_options


@pytest.fixture(autouse=True)
def _graph_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g").write_text("")


def test_defaults():
    assert read_options([]) == Settings()


@pytest.mark.parametrize(
    ("argv", "changes"),
    [
        (["-L", "g"], {"load_file": "g"}),
        (["-Lg"], {"load_file": "g"}),
        (["-edLg"], {"load_file": "g", "elapse": True, "prompt": False}),
        (["--load-file=g", "--match-p", "low", "--el"], {"load_file": "g", "policy": "low", "elapse": True}),
        (["-S", "c+pa", "-T", "flexible"], {"subsystems": ("containment", "power"), "flexible": True}),
        (["-W", "node,core"], {"allowlist": ("cluster", "node", "core")}),
        (["-p", "  "], {}),
        (["-p", "ALL:core", "-p", "ALL:node"], {"prune_filters": "ALL:coreALL:node"}),
        (["-g", "DOT", "-o", "x", "--"], {}),
        (["-r", "7"], {}),
        (["-r", "abc"], {}),
    ],
)
def test_options(argv, changes):
    assert read_options(argv) == Settings(**changes)


def test_a_warning():
    assert read_options(["-r", "-1"]).warnings == ("WARN: out of range specified for --reserve-vtx-vec: -1\n",)


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-h"], ""),
        (["word"], ""),
        (["-e", "--", "-e"], ""),
        (["-Z"], "resource-query: invalid option -- 'Z'\n"),
        (["-L"], "resource-query: option requires an argument -- 'L'\n"),
        (["--nope"], "resource-query: unrecognized option '--nope'\n"),
        (["--load-file"], "resource-query: option '--load-file' requires an argument\n"),
        (["--help=x"], "resource-query: option '--help' doesn't allow an argument\n"),
        (
            ["--load"],
            "resource-query: option '--load' is ambiguous; possibilities: '--load-file' '--load-format' '--load-allowlist'\n",
        ),
        (["-L", "nofile"], "[ERROR] file does not exist for --load-file: nofile\n"),
        (["-L", "."], "[ERROR] path passed to --load-file is a directory: .\n"),
    ],
)
def test_refusals(argv, text):
    with pytest.raises(UsageError) as caught:
        read_options(argv)
    assert caught.value.text == text
    assert caught.value.status == (0 if argv == ["-h"] else 1)


@pytest.mark.parametrize("argv", [["-f", "x"], ["-F", "x"], ["-S", "x"], ["-T", "x"], ["-g", "x"]])
def test_unknown_words_are_listed_with_what_is_known(argv):
    with pytest.raises(UsageError, match="known are"):
        read_options(argv)
