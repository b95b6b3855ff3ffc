"""Submission plugins: the public names, how they are found, what their hooks can do, and what becomes of bad ones."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys

import pytest

from fluxplug.cli import plugin_search
from fluxplug.cli.main import main
from fluxplug.cli.plugin import CLIPlugin, CLIPluginError, CLIPluginOption, CLIPluginRegistry, PluginArgsProxy
from fluxplug.job import JobspecV1

# python-api.md, section 11: names with their parameters, and attributes of instances.
PUBLIC = {
    "CLIPlugin": "(prog, prefix='ex', version=None)",
    "CLIPlugin.add_option": "(self, name, **kwargs)",
    "CLIPlugin.preinit": "(self, args)",
    "CLIPlugin.modify_jobspec": "(self, args, jobspec)",
    "CLIPlugin.validate": "(self, jobspec)",
    "CLIPlugin.help": "(self, option)",
    "CLIPluginRegistry": "(prog)",
    "CLIPluginRegistry.preinit": "(self, args)",
    "CLIPluginRegistry.modify_jobspec": "(self, args, jobspec)",
    "CLIPluginRegistry.validate": "(self, jobspec)",
    "CLIPluginRegistry.print_plugins": "(self)",
    "CLIPluginRegistry.print_help": "(self, name)",
}
ATTRIBUTES = {
    "CLIPlugin": {"prog", "prefix", "path", "options"},
    "CLIPluginRegistry": {"options", "plugins"},
    "CLIPluginOption": {"name", "dest", "kwargs"},
}
QUIET = {"env": ["-*"], "rlimit": ["-*"], "cwd": "/w"}


STORE = """
def modify_jobspec(self, args, jobspec):
    jobspec.setattr("user.thing", args.thing)
"""


class TestPublicNames:
    @pytest.mark.parametrize("name", PUBLIC)
    def test_parameters(self, name):
        import fluxplug.cli.plugin as module

        found = module
        for part in name.split("."):
            found = getattr(found, part)
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(found).parameters.values()]
        assert str(inspect.Signature(bare)) == PUBLIC[name]

    def test_attributes(self, folder):
        registry = CLIPluginRegistry("submit")
        for found in (registry, registry.plugins[0], registry.options[0]):
            assert all(hasattr(found, name) for name in ATTRIBUTES.get(type(found).__name__, ATTRIBUTES["CLIPlugin"]))

    def test_prog(self):
        assert [CLIPlugin(prog).prog for prog in ("submit", "flux submit", "fluxplug run")] == [
            "submit",
            "submit",
            "run",
        ]

    def test_names_of_options(self):
        plugin = CLIPlugin("submit", prefix="site")
        plugin.add_option("--my-option", help="x")
        plugin.add_option("--other", dest="mine")
        assert [(one.name, one.dest) for one in plugin.options] == [
            ("--site-my-option", "site_my_option"),
            ("--site-other", "mine"),
        ]
        bare = CLIPlugin("submit", prefix=None)
        bare.add_option("--my-option")
        assert (bare.options[0].name, bare.options[0].dest) == ("--my-option", "my_option")
        assert CLIPlugin("submit").prefix == "ex"

    @pytest.mark.parametrize("name", ["thing", "-t", "--", "---x"])
    def test_a_name_without_dashes(self, name):
        with pytest.raises(ValueError, match="begins with --"):
            CLIPlugin("submit").add_option(name)

    @pytest.mark.parametrize(
        ("kwargs", "default"),
        [({}, None), ({"default": 3}, 3), ({"action": "store_true"}, False), ({"action": "store_false"}, True)],
    )
    def test_defaults(self, kwargs, default):
        assert CLIPluginOption("--x", "x", kwargs).default == default


class TestProxy:
    def make(self):
        plugin = CLIPlugin("submit", prefix="site")
        plugin.add_option("--my-option")
        plugin.add_option("--other", dest="mine")
        args = argparse.Namespace(site_my_option="a", mine="b", queue="q")
        return args, PluginArgsProxy(args, plugin)

    def test_reading(self):
        _, proxy = self.make()
        assert (proxy.my_option, proxy.site_my_option, proxy.mine, proxy.queue) == ("a", "a", "b", "q")
        assert "my_option" in proxy
        assert "other" not in proxy
        with pytest.raises(AttributeError):
            proxy.other  # noqa: B018

    def test_writing(self):
        args, proxy = self.make()
        proxy.my_option = "c"
        proxy.queue = "r"
        proxy.new = 1
        assert args == argparse.Namespace(site_my_option="c", mine="b", queue="r", new=1)
        del proxy.my_option
        assert "site_my_option" not in args


class TestFinding:
    def test_order(self, folder, simple):
        site = folder(b=simple("", "B", "b"), a=simple("", "A2", "x") + "\n" + simple("", "A1", "y"), _c="x = 1")
        registry = CLIPluginRegistry("submit")
        assert [type(one).__name__ for one in registry.plugins] == ["A2", "A1", "B", "ResourcesShape"]
        assert [one.path for one in registry.plugins] == [f"{site}/a.py", f"{site}/a.py", f"{site}/b.py", "fluxplug"]
        assert [one.name for one in registry.options[:3]] == ["--x-thing", "--y-thing", "--b-thing"]

    def test_search_path(self, monkeypatch):
        for name in ("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "FLUX_CLI_PLUGINPATH_OVERRIDE", "FLUX_CONF_DIR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH", "a:b")
        monkeypatch.setenv("FLUX_CLI_PLUGINPATH", "c:a")
        monkeypatch.setenv("FLUXPLUG_CONF_DIR", "conf")
        own = ["conf/cli/plugins", f"{sys.prefix}/libexec/fluxplug/cli/plugins"]
        assert plugin_search.search_path() == ["a", "b", "c", *own]
        monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", "d:e")
        assert plugin_search.search_path() == ["d", "e"]
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "")
        assert plugin_search.search_path() == []

    def test_entry_points(self, tmp_path, monkeypatch, folder, simple):
        monkeypatch.undo()
        monkeypatch.setenv("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE", "")
        monkeypatch.syspath_prepend(str(tmp_path))
        for name, entries in {
            "x_one": "two = cli_probe_x\n# no = no\none = cli_probe_x:Second",
            "y": "",
            "z": None,
        }.items():
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            if entries is not None:
                (info / "entry_points.txt").write_text(
                    f"[other]\nq = r\n[{plugin_search.GROUP}]\n{entries}\n[more]\ns = t\n"
                )
        source = (
            "from fluxplug.cli.plugin import CLIPlugin\n" + simple("", "First", "f") + "\n" + simple("", "Second", "s")
        )
        (tmp_path / "cli_probe_x.py").write_text(source, encoding="utf-8")
        found = [row for row in plugin_search.entry_points() if "probe" in row[1]]
        assert found == [("one", "cli_probe_x:Second", "x-one"), ("two", "cli_probe_x", "x-one")]
        names = [type(one).__name__ for one in CLIPluginRegistry("submit").plugins]
        assert [name for name in names if name in ("First", "Second")] == ["Second", "First"]
        assert names[-1] == "ResourcesShape"

    def test_entry_points_of_what_is_installed_meanwhile(self, tmp_path, monkeypatch):
        monkeypatch.syspath_prepend(str(tmp_path))
        before = plugin_search.entry_points()
        info = tmp_path / "late-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[{plugin_search.GROUP}]\nlate = late_probe\n", encoding="utf-8")
        os.utime(tmp_path, ns=(1, 1))  # clocks of file systems are coarse
        assert set(plugin_search.entry_points()) - set(before) == {("late", "late_probe", "late")}

    def test_entry_points_are_those_that_python_sees(self):
        from importlib import metadata

        installed = {(one.name, one.value) for one in metadata.entry_points(group=plugin_search.GROUP)}
        assert {(name, target) for name, target, _ in plugin_search.entry_points()} == installed

    def test_an_entry_point_without_a_plugin(self, monkeypatch, folder):
        monkeypatch.setattr(plugin_search, "entry_points", lambda: [("bad", "json:dumps", "dist")])
        with pytest.raises(
            CLIPluginError, match=r"plugin bad of json:dumps \(dist\): import: has no class derived from CLIPlugin"
        ):
            CLIPluginRegistry("submit")

    def test_imported_once(self, folder, simple):
        folder(one=simple("", "One"))
        assert type(CLIPluginRegistry("submit").plugins[0]) is type(CLIPluginRegistry("run").plugins[0])

    def test_no_folder_no_plugins(self, folder):
        assert [one.path for one in CLIPluginRegistry("submit").plugins] == ["fluxplug"]

    def test_conflicts_drop_the_later_plugin_whole(self, folder, capsys, simple):
        folder(
            a=simple("", "A"),
            b=simple("", "SameDest", "site", ["--fine", "--thing"]),
            c=simple("", "Core", None, ["--ntasks"]),
            d=simple("", "Twice", "d", ["--x", "--x"]),
            e=simple("", "Shape", "resources", ["--json"]),
        )
        registry = CLIPluginRegistry("submit")
        assert [type(one).__name__ for one in registry.plugins] == ["A", "Shape"]
        assert {type(one).__name__: reason for one, reason in registry.dropped} == {
            "SameDest": "--site-thing is an option of plugin A",
            "Core": "--ntasks is an option of submit",
            "Twice": "--d-x is an option of its own",
            "ResourcesShape": "--resources-json is an option of plugin Shape",
        }
        registry.print_plugins()
        assert "Core (" in capsys.readouterr().out
        assert "Core" in {type(one).__name__ for one in CLIPluginRegistry("batch").plugins}, (
            "--ntasks is none of batch's"
        )

    def test_a_dest_of_another(self, folder, simple):
        folder(
            a=simple("", "A"),
            b="class B(CLIPlugin):\n    def __init__(self, prog):\n        super().__init__(prog, 'b')\n        self.add_option('--y', dest='site_thing')",
        )
        ((_, reason),) = CLIPluginRegistry("submit").dropped
        assert reason == "dest 'site_thing' of --b-y is one of plugin A"


class TestOnTheCommandLine:
    def test_an_option(self, folder, submit, simple):
        folder(one=simple(STORE))
        code, jobspec, _ = submit("--site-thing=7", "a")
        assert (code, jobspec["attributes"]["user"]) == (0, {"thing": "7"})
        assert submit("--site-thing", "8", "a")[1]["attributes"]["user"] == {"thing": "8"}

    def test_types_and_choices(self, folder, submit):
        folder(
            one="""
            class One(CLIPlugin):
                def __init__(self, prog):
                    super().__init__(prog, prefix=None)
                    self.add_option("--mode", type=str.upper, choices=["A", "B"], default="A", help="100% of it")
                    self.add_option("--level", type=int, action="append")
                    self.add_option("--on", action="store_true")
                    self.add_option("--pair", nargs=2)
                    self.add_option("--maybe", nargs="?", const="yes")
                def modify_jobspec(self, args, jobspec):
                    jobspec.setattr("user.x", [args.mode, args.level, args.on, args.pair, args.maybe])
            """
        )
        words = ["--mode=b", "--level=1", "--level", "2", "--on", "--pair", "p", "q", "--maybe=m", "a"]
        assert submit(*words)[1]["attributes"]["user"]["x"] == ["B", [1, 2], True, ["p", "q"], "m"]
        assert submit("--maybe", "--", "a")[1]["attributes"]["user"]["x"] == ["A", None, False, None, "yes"]
        assert "100% of it" in submit("--help")[1]
        assert submit("--mode=z", "a") == (2, None, "fluxplug submit: --mode=z: expected one of A, B\n")
        assert submit("--level=z", "a") == (2, None, "fluxplug submit: --level=z: expected int\n")
        assert submit("--level") == (2, None, "fluxplug submit: --level: expected a value\n")
        assert submit("--pair", "p") == (2, None, "fluxplug submit: --pair: expected 2 arguments\n")

    def test_defaults_are_as_argparse_has_them(self, folder, submit):
        folder(
            one="""
            class One(CLIPlugin):
                def __init__(self, prog):
                    super().__init__(prog, prefix=None)
                    self.add_option("--mode", choices=["A", "B"], default="none", help="%(default)s but %(choices)s")
                    self.add_option("--level", type=int, default="3")
                    self.add_option("--list", type=int, action="append", default=["1"])
                def modify_jobspec(self, args, jobspec):
                    jobspec.setattr("user.x", [args.mode, args.level, args.list])
            """
        )
        assert submit("a")[1]["attributes"]["user"]["x"] == ["none", 3, ["1"]]
        assert submit("--list=2", "a")[1]["attributes"]["user"]["x"] == ["none", 3, ["1", 2]]
        assert "none but A" in submit("--help")[1]

    def test_templates(self, folder, submit, capsys, simple):
        folder(one=simple(STORE.replace("args.thing)", "int(args.thing))")))
        assert main(["submit", "--dry-run", "--cc=3-4", "--site-thing={cc}", "a"]) == 0
        assert [json.loads(line)["attributes"]["user"]["thing"] for line in capsys.readouterr().out.splitlines()] == [
            3,
            4,
        ]

    def test_directives(self, folder, submit, tmp_path, simple):
        folder(one=simple(STORE))
        (tmp_path / "job.sh").write_text("#!/bin/sh\n#FLUX: -n1 --site-thing=in-script\n", encoding="utf-8")
        assert submit(str(tmp_path / "job.sh"), prog="batch")[1]["attributes"]["user"] == {"thing": "in-script"}

    def test_preinit_comes_before_sizes(self, folder, submit, simple):
        folder(
            one=simple("def preinit(self, args):\n    args.ntasks = 5\n    args.thing = args.thing or 'x'\n" + STORE)
        )
        _, jobspec, _ = submit("-n2", "a")
        assert jobspec["resources"][0]["count"] == 5
        assert jobspec["attributes"]["user"] == {"thing": "x"}

    def test_help(self, folder, submit, capsys, simple):
        folder(one=simple(""), two=simple("def help(self, option):\n    print('long', option)", "Two", "two"))
        _, out, _ = submit("--help")
        section = out.split("Options provided by plugins:\n")[1]
        assert [line.split()[0] for line in section.splitlines() if line.startswith("  --")][:2] == [
            "--site-thing=SITE_THING",
            "--two-thing=TWO_THING",
        ]
        assert submit("--help=site-thing") == (0, "The Site.\n", "")
        assert submit("--help=--two-thing") == (0, "long --two-thing\n", "")
        with pytest.raises(SystemExit) as stop:
            CLIPluginRegistry("submit").print_help("site-thing")
        assert stop.value.code == 0
        with pytest.raises(ValueError, match="--help: no such option none"):
            CLIPluginRegistry("submit").print_help("none")

    def test_list_plugins(self, folder, submit, simple):
        site = folder(one=simple(""))
        _, out, _ = submit("--list-plugins")
        assert f"  {site}\n" in out
        assert f"  Site ({site}/one.py)\n    --site-thing\n" in out

    def test_as_a_process(self, folder, simple):
        site = folder(one=simple(STORE))
        env = {**os.environ, "FLUX_CLI_PLUGINPATH": str(site)}
        env.pop("FLUXPLUG_CLI_PLUGINPATH_OVERRIDE")
        command = [sys.executable, "-m", "fluxplug", "run", "--dry-run", "--site-thing=1", "a"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["attributes"]["user"] == {"thing": "1"}


class TestInPython:
    """The examples of the requirements, but for the import line."""

    GPU = """
    class GpuMode(CLIPlugin):
        "Choose the mode of the GPUs."

        def __init__(self, prog):
            super().__init__(prog, prefix="amd")
            self.add_option("--gpumode", choices=["SPX", "TPX", "CPX"], help="mode of the GPUs")

        def modify_jobspec(self, args, jobspec):
            if args.gpumode:
                jobspec.setattr("gpumode", args.gpumode)
    """

    def test_from_submit(self, folder):
        folder(amd=self.GPU)
        js = JobspecV1.from_submit(["myapp"], ntasks=8, amd_gpumode="TPX")
        assert js.getattr("gpumode") == "TPX"

    def test_apply_options(self, folder):
        folder(amd=self.GPU)
        js = JobspecV1.from_command(["myapp"])
        assert js.apply_options(prog="submit", amd_gpumode="TPX") is js
        assert js.getattr("gpumode") == "TPX"

    def test_discovery(self, folder, capsys):
        folder(amd=self.GPU)
        for opt in CLIPluginRegistry("submit").options:
            print(f"{opt.name} -> dest: {opt.dest}")
        assert capsys.readouterr().out.startswith("--amd-gpumode -> dest: amd_gpumode\n")

    def test_the_same_as_the_command_line(self, folder, submit):
        folder(amd=self.GPU)
        made = JobspecV1.from_submit(["a"], ntasks=2, amd_gpumode="CPX", **QUIET)
        assert made.jobspec == submit("-n2", "--amd-gpumode=CPX", "a")[1]

    def test_unknown_options(self, folder):
        with pytest.raises(TypeError, match=r"unexpected keyword argument.*'amd_gpumode'"):
            JobspecV1.from_submit(["myapp"], amd_gpumode="TPX")

    def test_shape(self, folder):
        made = JobspecV1.from_submit(["a"], resources_shape="slot=2/core=3", **QUIET)
        assert made.resources[0]["count"] == 2
        with pytest.raises(ValueError, match="cannot be given together"):
            JobspecV1.from_submit(["a"], resources_shape="slot/core", resources_json="x")

    def test_preinit_cannot_change_sizes(self, folder, simple):
        folder(one=simple("def preinit(self, args):\n    args.ntasks = 5\n"))
        assert JobspecV1.from_submit(["a"], ntasks=2).resources[0]["count"] == 2

    def test_validate(self, folder, simple):
        folder(
            one=simple(
                "def validate(self, jobspec):\n    if jobspec.duration > 60:\n        raise ValueError('too long')",
                options=(),
            )
        )
        registry = CLIPluginRegistry("validate")
        registry.validate(JobspecV1.from_command(["a"], duration=60))
        with pytest.raises(ValueError, match=r"plugin Site of .*one\.py: validate: too long$"):
            registry.validate(JobspecV1.from_command(["a"], duration=61))
