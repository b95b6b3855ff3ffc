"""The frame of the command line: commands, exit codes, one-line errors, plugin options, and what is not imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fluxplug import __version__
from fluxplug.cli import main as frame
from fluxplug.cli.main import COMMANDS, Command, main
from fluxplug.errors import ConfigError


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Add a command `probe` whose `run` is the given function."""

    def add(run, *, plugin_options=False, add_arguments=lambda _: None):
        module = type(sys)("probe_command", "Probe.")
        module.run, module.add_arguments = run, add_arguments
        monkeypatch.setitem(sys.modules, "probe_command", module)
        monkeypatch.setitem(COMMANDS, "probe", Command("probe_command", "a probe", plugin_options))

    return add


def fail(error):
    def run(args):
        raise error

    return run


class TestFrame:
    def test_help_names_every_command(self, capsys):
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        assert all(f"    {name} " in out for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command_has_help(self, name, capsys):
        assert main([name, "--help"]) == 0
        out = capsys.readouterr().out
        assert out.startswith(f"usage: fluxplug {name}")
        assert len(out.split("\n\n")[1]) > 40, "the description"

    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"fluxplug {__version__}\n"

    def test_nothing_given(self, capsys):
        assert main([]) == 2
        assert "commands:" in capsys.readouterr().err

    def test_no_such_command(self, capsys):
        assert main(["simulat"]) == 2
        assert capsys.readouterr().err.startswith(
            "fluxplug simulat: there is no such command; did you mean 'simulate'? commands: "
        )

    @pytest.mark.parametrize("words", [["--none"], ["plugins", "--none"], ["config"]])
    def test_a_wrong_command_line(self, words, capsys):
        assert main(words) == 2
        assert "error: " in capsys.readouterr().err

    def test_options_before_a_command_are_not_its_own(self, capsys):
        assert main(["--version", "submit"]) == 0
        assert capsys.readouterr().out == f"fluxplug {__version__}\n"
        for words in (["--none", "submit"], ["--", "submit", "true"]):
            assert main(words) == 2
            assert "fluxplug: error: " in capsys.readouterr().err

    def test_what_run_returns(self, command):
        command(lambda _: 3)
        assert main(["probe"]) == 3

    def test_what_is_expected_to_go_wrong_is_one_line(self, command, capsys):
        command(fail(ConfigError("x.toml:1: bad\n  thing")))
        assert main(["probe"]) == 2
        assert capsys.readouterr() == ("", "fluxplug probe: x.toml:1: bad thing\n")

    def test_a_file_that_cannot_be_opened(self, command, capsys, tmp_path):
        command(lambda _: (tmp_path / "none").read_text())
        assert main(["probe"]) == 2
        assert (
            capsys.readouterr().err
            == f"fluxplug probe: {tmp_path}/none: No such file or directory; check the path and its permissions\n"
        )

    def test_a_bug_shows_itself(self, command):
        for bug in (ZeroDivisionError(), OSError(5, "odd")):
            command(fail(bug))
            with pytest.raises(type(bug)):
                main(["probe"])

    def test_interrupted(self, command, capsys):
        command(fail(KeyboardInterrupt()))
        assert main(["probe"]) == 130
        assert capsys.readouterr().err == ""

    def test_a_reader_that_has_gone(self):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb") as closed:
            code = "import sys; from fluxplug.cli.main import main; sys.exit(main(['plugins']))"
            done = subprocess.run([sys.executable, "-c", code], stdout=closed, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (141, b"")

    def test_a_command_of_cores_is_light(self):
        code = """if True:
            import sys
            before = set(sys.modules)
            from fluxplug.cli.main import main
            main(["plugins", "--help"])
            new = set(sys.modules) - before
            heavy = {"rich", "yaml", "pluggy", "attr", "tomli", "importlib.metadata", "fluxplug.plugins", "fluxplug.config"} & new
            assert not heavy, heavy
            assert len([name for name in new if name.startswith("fluxplug")]) <= 7, new
            assert len(new) < 60, len(new)
        """
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_modules_of_all_commands_can_be_told_from_their_names(self):
        assert all(about.raw or about.module == f"fluxplug.cli.{name}" for name, about in COMMANDS.items())
        assert frame.__doc__


SITE = """
seen = []

@hookimpl
def fluxplug_add_options(command, parser):
    parser.add_argument("--site-account", default="none", help=f"who pays for {command}")

@hookimpl
def fluxplug_shutdown():
    seen.append("end")
"""


class TestPluginOptions:
    @pytest.fixture
    def site(self, plugin_folder, tmp_path):
        plugin_folder("mine", site=SITE)
        path = tmp_path / "sched.toml"
        path.write_text('[plugins]\npath = ["mine"]\n', encoding="utf-8")
        return str(path)

    @staticmethod
    def with_config(parser):
        parser.add_argument("--config")

    @pytest.mark.parametrize("form", [["--config", "{}"], ["--config={}"]])
    def test_they_come_from_the_plugins_of_the_configuration(self, command, site, form):
        seen = []
        command(lambda args: seen.append(args) or 0, plugin_options=True, add_arguments=self.with_config)
        words = [word.format(site) for word in form]
        assert main(["probe", *words, "--site-account", "me"]) == 0
        (args,) = seen
        assert args.site_account == "me"
        assert "site" in args.plugins.loaded
        assert args.plugins.module_of("site").seen == ["end"]

    def test_they_are_in_the_help(self, command, site, capsys):
        command(lambda _: 0, plugin_options=True, add_arguments=self.with_config)
        assert main(["probe", "--config", site, "--help"]) == 0
        out = capsys.readouterr().out
        assert "options of plugin site" in out
        assert "who pays for probe" in out

    def test_without_the_file_they_are_unknown(self, command, site):
        command(lambda _: 0, plugin_options=True, add_arguments=self.with_config)
        assert main(["probe", "--site-account", "me"]) == 2

    def test_shutdown_also_after_an_error(self, command, site, capsys):
        plugins = []

        def run(args):
            plugins.append(args.plugins)
            raise ConfigError("no")

        command(run, plugin_options=True, add_arguments=self.with_config)
        assert main(["probe", "--config", site]) == 2
        assert plugins[0].module_of("site").seen == ["end"]

    def test_a_clash_with_the_command(self, command, site, capsys):
        def add_arguments(parser):
            parser.add_argument("--config")
            parser.add_argument("--site-account")

        command(lambda _: 0, plugin_options=True, add_arguments=add_arguments)
        assert main(["probe", "--config", site]) == 2
        err = capsys.readouterr().err
        assert err.startswith("fluxplug probe: plugin 'site' of ")
        assert "conflicting option string: --site-account" in err
        assert err.count("\n") == 1
