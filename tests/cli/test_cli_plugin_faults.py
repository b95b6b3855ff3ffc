"""Submission plugins that fail, hang, spoil what they are given, or were written for Flux."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from fluxplug.cli import plugin_search
from fluxplug.cli.plugin import CLIPluginRegistry
from fluxplug.job import JobspecV1

STORE = """
def modify_jobspec(self, args, jobspec):
    jobspec.setattr("user.thing", args.thing)
"""


class TestBadPlugins:
    @pytest.mark.parametrize("hook", ["preinit(self, args)", "modify_jobspec(self, args, jobspec)"])
    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ("raise ValueError('no  such\\nthing')", "no such thing\n"),
            ("1 / 0", "ZeroDivisionError: division by zero (FILE:10)\n"),
            ("raise ValueError", "ValueError: no message (FILE:10)\n"),
            ("import sys; sys.exit(3)", "SystemExit: it exits with 3 (FILE:10)\n"),
            ("args.none", "AttributeError: 'Namespace' object has no attribute 'none'"),
        ],
    )
    def test_one_that_raises(self, folder, submit, simple, *, hook, body, text):
        site = folder(one="\n" + simple(f"\ndef {hook}:\n    {body}"))
        code, jobspec, err = submit("a")
        name = hook.partition("(")[0]
        assert (code, jobspec) == (1, None)
        assert err.startswith(
            f"fluxplug submit: plugin Site of {site}/one.py: {name}: " + text.replace("FILE", f"{site}/one.py")
        )
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("x = (", "import: SyntaxError: '(' was never closed (FILE:2)"),
            ("1 / 0", "import: ZeroDivisionError: division by zero (FILE:2)"),
            ("import none_such", "import: ModuleNotFoundError: No module named 'none_such'"),
            ("raise SystemExit(1)", "import: SystemExit: it exits with 1"),
        ],
    )
    def test_one_that_cannot_be_imported(self, folder, submit, source, text):
        site = folder(one=source)
        code, _, err = submit("a")
        assert code == 1
        assert err.startswith(f"fluxplug submit: plugin {site}/one.py: {text.replace('FILE', f'{site}/one.py')}")
        code, out, err = submit("--help")
        assert code == 0
        assert out.startswith("usage: ")
        assert err.startswith("fluxplug submit: options of plugins are not listed: plugin ")

    def test_a_constructor(self, folder, submit):
        site = folder(
            one="class One(CLIPlugin):\n    def __init__(self, prog):\n        super().__init__(prog)\n        self.add_option('x')"
        )
        assert submit("a")[2].startswith(
            f"fluxplug submit: plugin One of {site}/one.py: __init__: add_option: 'x': the name of"
        )

    def test_a_constructor_that_forgets_the_base(self, folder, submit):
        folder(one="class One(CLIPlugin):\n    def __init__(self, prog):\n        pass")
        assert "plugin One of" in submit("a")[2]

    def test_arguments_that_argparse_does_not_take(self, folder, submit):
        folder(
            one="class One(CLIPlugin):\n    def __init__(self, prog):\n        super().__init__(prog)\n        self.add_option('--x', bogus=1)"
        )
        code, _, err = submit("a")
        assert code == 1
        assert ": add_option: --ex-x: " in err

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ("jobspec.jobspec['resources'] = []", "resources"),
            ("jobspec.jobspec['version'] = 2", "version"),
            ("jobspec.jobspec['extra'] = 2", "extra"),
            ("del jobspec.jobspec['tasks']", "tasks"),
            ("jobspec.jobspec = None", "NoneType"),
            ("jobspec.setattr('x', object())", "object"),
            ("jobspec.setattr('duration', 'long')", "duration"),
        ],
    )
    def test_one_that_spoils_the_jobspec(self, folder, submit, body, text, simple):
        site = folder(one=simple(f"def modify_jobspec(self, args, jobspec):\n    {body}"), two=simple("", "Two", "two"))
        code, jobspec, err = submit("a")
        assert (code, jobspec) == (1, None)
        assert err.startswith(
            f"fluxplug submit: plugin Site of {site}/one.py: modify_jobspec: leaves a jobspec that is not valid: "
        )
        assert text in err
        assert err.count("\n") == 1

    def test_what_the_user_spoils_is_no_plugins_fault(self, folder, submit, simple):
        folder(one=simple(STORE))
        code, jobspec, _ = submit("--requires=foo:bar", "--site-thing=1", "a")
        assert code == 0
        assert jobspec["attributes"]["system"]["constraints"] == {"foo": ["bar"]}

    @pytest.mark.parametrize(
        "body",
        [
            "while True: pass",
            "import time; time.sleep(60)",
            "try:\n        while True: pass\n    except Exception: pass",
        ],
    )
    def test_one_that_hangs(self, folder, submit, monkeypatch, body, simple):
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGIN_TIMEOUT", "0.2")
        site = folder(one=simple(f"def modify_jobspec(self, args, jobspec):\n    {body}"))
        before = signal.getsignal(signal.SIGALRM)
        code, _, err = submit("a")
        assert code == 1
        text = "modify_jobspec: took longer than 0.2 s, and was stopped ($FLUXPLUG_CLI_PLUGIN_TIMEOUT sets the limit)"
        assert err == f"fluxplug submit: plugin Site of {site}/one.py: {text}\n"
        assert signal.getsignal(signal.SIGALRM) is before

    def test_one_that_hangs_when_it_is_imported(self, folder, submit, monkeypatch):
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGIN_TIMEOUT", "200ms")
        folder(one="while True: pass")
        assert "import: took longer than 0.2 s" in submit("a")[2]

    def test_a_timer_of_somebody_else_goes_on(self, folder, simple):
        folder(one=simple("def preinit(self, args): pass"))
        before = signal.setitimer(signal.ITIMER_REAL, 100, 7)
        try:
            CLIPluginRegistry("submit").preinit(argparse.Namespace(resources_shape=None, resources_json=None))
            left, interval = signal.getitimer(signal.ITIMER_REAL)
            assert 90 < left <= 100
            assert interval == pytest.approx(7)
        finally:
            signal.setitimer(signal.ITIMER_REAL, *before)

    def test_no_limit(self, folder, submit, monkeypatch, simple):
        folder(one=simple(STORE))
        for text in ("0", "inf"):
            monkeypatch.setenv("FLUXPLUG_CLI_PLUGIN_TIMEOUT", text)
            assert submit("a")[0] == 0
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGIN_TIMEOUT", "x")
        assert "$FLUXPLUG_CLI_PLUGIN_TIMEOUT: " in submit("a")[2]

    def test_in_another_thread_nothing_is_limited(self, folder, simple):
        folder(one=simple(STORE))
        found = []
        thread = threading.Thread(
            target=lambda: found.append(JobspecV1.from_submit(["a"], site_thing="1").getattr("user.thing"))
        )
        thread.start()
        thread.join()
        assert found == ["1"]


class TestFluxNames:
    """Plugins that import Flux's names, where no Flux is installed."""

    def test_a_plugin_written_for_flux(self, folder, submit, simple):
        folder(
            "import flux.cli.plugin\nfrom flux.cli.plugin import CLIPlugin\nimport flux\nfrom flux.idset import IDset",
            one=simple(STORE),
        )
        assert submit("--site-thing=1", "a")[1]["attributes"]["user"] == {"thing": "1"}
        assert not [name for name in sys.modules if name.split(".")[0] == "flux"]

    def test_imports_inside_hooks(self, folder, submit, simple):
        body = """
        def modify_jobspec(self, args, jobspec):
            import flux.job
            from flux.util import parse_fsd
            from flux.hostlist import Hostlist
            from flux.constraint.parser import ConstraintParser
            from flux.shape.parser import ShapeParser
            assert isinstance(jobspec, flux.job.JobspecV1)
            jobspec.setattr("user.x", [parse_fsd("1m"), len(Hostlist("n[1-3]"))])
        """
        folder("from flux.cli.plugin import CLIPlugin", one=simple(body))
        assert submit("a")[1]["attributes"]["user"] == {"x": [60.0, 3]}

    def test_names_that_are_not_there(self, folder, submit):
        folder("from flux.cli.plugin import CLIPlugin", one="import flux.kvs")
        assert "import: ModuleNotFoundError: No module named 'flux.kvs'" in submit("a")[2]

    def test_an_installed_flux_is_left_alone(self, folder, submit, tmp_path, monkeypatch, simple):
        package = tmp_path / "real" / "flux" / "cli"
        package.mkdir(parents=True)
        (package.parent / "__init__.py").write_text("", encoding="utf-8")
        (package / "__init__.py").write_text("", encoding="utf-8")
        base = """
        class Option:
            def __init__(self, name, dest, kwargs):
                self.name, self.dest, self.kwargs = name, dest, kwargs
        class CLIPlugin:
            def __init__(self, prog, prefix="ex", version=None):
                self.prog, self.prefix, self.version, self.options = prog, prefix, version, []
            def add_option(self, name, **kwargs):
                dest = f"{self.prefix}_{name[2:]}"
                self.options.append(Option(f"--{self.prefix}-{name[2:]}", dest, {"dest": dest, **kwargs}))
            def preinit(self, args): pass
            def modify_jobspec(self, args, jobspec): pass
            def validate(self, jobspec): pass
        """
        (package / "plugin.py").write_text(textwrap.dedent(base), encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path / "real"))
        folder("from flux.cli.plugin import CLIPlugin", one=simple(STORE))
        try:
            assert submit("--site-thing=1", "a")[1]["attributes"]["user"] == {"thing": "1"}
            assert JobspecV1.from_submit(["a"], site_thing="2").getattr("user.thing") == "2"
            assert JobspecV1.from_submit(["a"]).jobspec["attributes"]["user"] == {"thing": None}
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] == "flux"]:
                del sys.modules[name]

    def test_a_folder_called_flux_is_no_flux(self, folder, submit, tmp_path, monkeypatch, simple):
        (tmp_path / "cwd" / "flux").mkdir(parents=True)
        monkeypatch.syspath_prepend(str(tmp_path / "cwd"))
        folder("from flux.cli.plugin import CLIPlugin", one=simple(STORE))
        assert submit("--site-thing=1", "a")[0] == 0

    def test_every_name_leads_somewhere(self):
        with plugin_search.flux_names():
            for name in plugin_search.FLUX_NAMES:
                assert importlib.import_module(name).__doc__
                importlib.import_module(plugin_search.FLUX_NAMES[name])
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("flux")
        page = (Path(__file__).parents[2] / "docs" / "submit.md").read_text(encoding="utf-8")
        packages = {name.rpartition(".")[0] for name in plugin_search.FLUX_NAMES} - {"flux.job"}
        assert all(f"`{name}`" in page for name in plugin_search.FLUX_NAMES.keys() - packages)
