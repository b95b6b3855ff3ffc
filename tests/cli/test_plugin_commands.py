"""Commands that plugins add: dispatch, help, raw words, who may own a name, and that core's commands load no plugin."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fluxplug import __version__
from fluxplug.cli.main import main

GREET = '''
from fluxplug.command import PluginCommand
from fluxplug.errors import ConfigError

ended = []

class Greet(PluginCommand):
    """Greets.

    Politely.
    """
    name = {name!r}
    help = "greet somebody, 100%"
    raw = {raw}

    def add_arguments(self, parser):
        sub = parser.add_subparsers(dest="how", required=True)
        for how in ("hello", "bye"):
            sub.add_parser(how).add_argument("--who", default="you")

    def run(self, args):
        if self.raw:
            print(args.words)
            return 3
        if args.who == "nobody":
            raise ConfigError("nobody\\n is there")
        print(args.how, args.who, "site" in args.plugins.loaded)
        return 0

@hookimpl
def fluxplug_register_commands():
    return [Greet]

@hookimpl
def fluxplug_shutdown():
    ended.append(1)
    print("end")
'''


def greet(name="greet", raw=False):
    return GREET.format(name=name, raw=raw)


@pytest.fixture
def site(distribution):
    distribution("site-plugins", "4.2", site=greet())


class TestDispatch:
    def test_it_runs_with_its_arguments_and_the_plugins(self, site, capsys):
        assert main(["greet", "bye", "--who", "me"]) == 0
        assert capsys.readouterr().out == "bye me True\nend\n"

    def test_an_error_is_one_line_and_the_plugins_still_end(self, site, capsys):
        assert main(["greet", "hello", "--who", "nobody"]) == 2
        assert capsys.readouterr() == ("end\n", "fluxplug greet: nobody is there\n")

    @pytest.mark.parametrize("words", [["greet"], ["greet", "hello", "--loud"]])
    def test_a_wrong_command_line(self, site, words, capsys):
        assert main(words) == 2
        assert "usage: fluxplug " in capsys.readouterr().err

    def test_raw_words_are_untouched(self, distribution, capsys):
        distribution("site-plugins", site=greet(raw=True))
        assert main(["greet", "-h", "--", "greet", "--config=x", ""]) == 3
        assert capsys.readouterr().out == "['-h', '--', 'greet', '--config=x', '']\nend\n"
        assert main(["--version", "greet", "-h"]) == 0
        assert capsys.readouterr().out.startswith(f"fluxplug {__version__}\n")

    def test_a_misspelt_one(self, site, capsys):
        assert main(["gret"]) == 2
        err = capsys.readouterr().err
        assert err.startswith("fluxplug gret: there is no such command; did you mean 'greet'? commands: ")

    def test_core_commands_load_no_plugin(self, distribution, tmp_path):
        """Also where one is broken."""
        distribution("site-plugins", site="raise SystemError")
        (tmp_path / "job.json").write_text("{}")
        assert main(["jobspec", "validate", str(tmp_path / "job.json")]) != 0
        code = "import sys; from fluxplug.cli.main import main; main(['jobspec', '--help']); sys.exit('fluxplug.plugins' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


class TestHelp:
    def test_the_list_has_them(self, site, capsys):
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        assert [line.split(None, 1) for line in out.splitlines()].count(["greet", "greet somebody, 100%"]) == 1

    def test_its_own(self, site, capsys):
        assert main(["greet", "--help"]) == 0
        out = capsys.readouterr().out
        assert out.startswith("usage: fluxplug greet [-h] {hello,bye} ...\n\nGreets.\n")

    def test_is_shown_where_a_plugin_is_broken(self, distribution, capsys):
        distribution("site-plugins", site="raise SystemError")
        assert main(["--help"]) == 0
        out, err = capsys.readouterr()
        assert "    simulate " in out
        assert "commands of plugins are not listed: plugin 'site'" in err
        assert err.count("\n") == 1


class TestNames:
    def test_two_owners(self, distribution, capsys):
        distribution("one", "1.0", one=greet())
        distribution("two", "2.5", two=greet())
        assert main(["greet"]) == 2
        err = capsys.readouterr().err
        assert "command 'greet' has two owners, " in err
        assert "one 1.0" in err
        assert "two 2.5" in err

    def test_a_name_of_cores(self, distribution, capsys):
        distribution("site-plugins", "4.2", site=greet(name="simulate"))
        assert main(["greet"]) == 2
        assert capsys.readouterr().err == (
            f"fluxplug greet: command 'simulate' has two owners, fluxplug {__version__} and site-plugins 4.2; "
            "uninstall one of them\n"
        )

    @pytest.mark.parametrize("text", ["None", "''", "'a\\nb'", "3"])
    def test_help_is_one_line(self, distribution, text, capsys):
        distribution("site-plugins", site=greet().replace('"greet somebody, 100%"', text))
        assert main(["greet"]) == 2
        assert "whose help is " in capsys.readouterr().err

    def test_what_is_no_command(self, distribution, capsys):
        distribution(
            "site-plugins",
            site="class A: name, help = 'a', 'b'\n@hookimpl\ndef fluxplug_register_commands(): return [A]",
        )
        assert main(["a"]) == 2
        assert "which is no command: it lacks add_arguments, run" in capsys.readouterr().err
