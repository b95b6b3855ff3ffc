"""Completion scripts: every option of the table is in them, shells can read them, and bash completes what it should."""

from __future__ import annotations

import shutil
import subprocess
import textwrap

import pytest

from fluxplug.cli import plugin_search
from fluxplug.cli.completion import SHELLS
from fluxplug.cli.main import COMMANDS, main
from fluxplug.cli.submission.options import COMMANDS as SUBMISSION
from fluxplug.cli.submission.options import of_prog

PLUGIN = """
from fluxplug.cli.plugin import CLIPlugin

class Site(CLIPlugin):
    def __init__(self, prog):
        super().__init__(prog, prefix="site")
        self.add_option("--mode", choices=["fast", "it's slow"], help="how [fast]: it's up to you")
        self.add_option("--on", action="store_true")
"""


@pytest.fixture
def script(tmp_path, monkeypatch, capsys):
    """The script of a shell, with one plugin that has difficult texts."""
    monkeypatch.setattr(plugin_search, "entry_points", list)
    monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", str(tmp_path))
    (tmp_path / "site.py").write_text(PLUGIN, encoding="utf-8")

    def make(shell):
        assert main(["completion", shell]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        path = tmp_path / f"script.{shell}"
        path.write_text(out, encoding="utf-8")
        return path

    return make


@pytest.fixture
def complete(script, tmp_path):
    """What bash offers at the end of some words, which are as its COMP_WORDS: `=` and `:` stand alone."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").write_text("")
    path = script("bash")

    def run(*words):
        code = f"""
        source {path}
        COMP_WORDS=("$@")
        COMP_CWORD=$(( $# - 1 ))
        _fluxplug
        printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        command = ["bash", "-c", textwrap.dedent(code), "bash", "fluxplug", *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return sorted(set(done.stdout.split()))

    return run


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_there(shell, script):
    text = script(shell).read_text(encoding="utf-8")
    assert all(name in text for name in COMMANDS)
    for prog in SUBMISSION:
        for one in of_prog(prog):
            shown = f"-l {one.name[2:]} " if shell == "fish" else one.name
            assert one.hidden or shown in text, one.name
    assert "add-brokers" not in text, "hidden options"
    assert "site-mode" in text
    assert "\nNone" not in text


@pytest.mark.parametrize(("shell", "option"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_shell_can_read_it(shell, option, script):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, option, str(script(shell))], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_quotes_are_closed(script):
    for shell in ("zsh", "fish"):
        for line in script(shell).read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                plain = line.replace("'\\''", "") if shell == "zsh" else line.replace("\\'", "")
                assert plain.count("'") % 2 == 0, line


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
class TestBash:
    @pytest.mark.parametrize(
        ("words", "offered"),
        [
            (["sub"], ["submit"]),
            (["b"], ["batch", "broker", "bulksubmit"]),
            (["submit", "--tasks"], ["--tasks-per-core=", "--tasks-per-node="]),
            (["submit", "--dr"], ["--dry-run"]),
            (["batch", "--tasks"], []),
            (["submit", "--site"], ["--site-mode=", "--site-on"]),
            (["submit", "--urgency", "=", "ho"], ["hold"]),
            (["submit", "--urgency", "="], ["default", "expedite", "hold"]),
            (["submit", "--urgency", "e"], ["expedite"]),
            (["submit", "--site-mode", "=", "f"], ["fast"]),
            (["submit", "-n", "4", "--tim"], ["--time-limit="]),
            (["submit", "--urgency", "=", "hold", "--tim"], ["--time-limit="]),
            (["submit", "--dependency", "=", "afterok", ":", "f1", "--tim"], ["--time-limit="]),
            (["submit", "--dry-run", "--cwd", "=", "f"], ["folder"]),
            (["submit", "--output", "=", "f"], ["file.txt", "folder"]),
            (["submit", "-n", ""], []),
            (["submit", "cat", "fi"], ["file.txt"]),
            (["submit", "-n", "4", "cat", "--dr"], []),
            (["completion", "b"], ["bash"]),
            (["simulate", "fi"], ["file.txt"]),
            (["job", "w"], ["wait", "wait-event"]),
            (["job", "kill", "--s"], ["--signal="]),
            (["job", "kill", "-s", ""], []),
            (["job", "kill", "f"], []),
            (["job", "submit", "f"], ["file.txt", "folder"]),
            (["job", "id", "--to", "=", "do"], ["dothex"]),
            (["job", "id", "--to", "w"], ["words"]),
            (["queue", "st"], ["start", "status", "stop"]),
            (["resource", "un"], ["undrain"]),
            (["jobs", "--stats"], ["--stats", "--stats-only"]),
            (["jobs", "--color", "=", "a"], ["always", "auto"]),
            (["cancel", ""], []),
        ],
    )
    def test_offers(self, words, offered, complete):
        assert complete(*words) == offered

    def test_commands_come_after_the_options(self, complete):
        assert "printf" in complete("submit", "-n", "4", "print")
        assert "printf" in complete("submit", "--", "print")


def test_a_bad_plugin_is_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", str(tmp_path))
    (tmp_path / "bad.py").write_text("1 / 0", encoding="utf-8")
    assert main(["completion", "bash"]) == 0
    out, err = capsys.readouterr()
    assert "--ntasks" in out
    assert err.startswith(
        f"fluxplug completion: options of plugins are left out: plugin {tmp_path}/bad.py: import: ZeroDivisionError"
    )
    assert err.count("\n") == len(SUBMISSION)


def test_no_such_shell(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
