"""Finding, loading, checking and calling plugins, on real files and real distribution metadata."""

from __future__ import annotations

import argparse
import re

import pytest

from fluxplug.discovery import find, select
from fluxplug.errors import PluginError
from fluxplug.plugins import MAX_PRIORITY, Plugins
from fluxplug.testing import jobspec

POLICY = """
class Policy:
    '''A policy.'''
    name = {name!r}
    def schedule(self, pass_): yield

@hookimpl
def fluxplug_register_policies():
    return [Policy]
"""


def loaded(folder, **more):
    return Plugins.load(path=[folder], entry_points=False, **more)


def policy(name):
    return POLICY.format(name=name)


class TestFinding:
    def test_files_in_order_of_their_names(self, plugin_folder):
        folder = plugin_folder(b=policy("bb"), a=policy("aa"), c="")
        assert [one.name for one in find([folder], entry_points=False)] == ["a", "b", "c"]

    def test_finding_imports_nothing(self, plugin_folder):
        assert [one.name for one in find([plugin_folder(a="1/0")], entry_points=False)] == ["a"]

    def test_entry_points_come_first_and_core_before_all(self, distribution, plugin_folder):
        distribution("site-zeta", zeta=policy("zeta"), alpha=policy("alpha"))
        names = [one.name for one in find([plugin_folder(aaa="")])]
        assert names[0] == "builtin"
        assert names[-1] == "aaa"
        assert names[1:-1] == sorted(names[1:-1])
        assert {"zeta", "alpha"} < set(names)

    def test_other_files_are_no_plugins(self, plugin_folder):
        folder = plugin_folder(a="")
        (folder / "notes.txt").write_text("x", encoding="utf-8")
        (folder / "package.py").mkdir()
        assert [one.name for one in find([folder], entry_points=False)] == ["a"]

    @pytest.mark.parametrize(("make", "what"), [(False, "does not exist"), (True, "is not a folder")])
    def test_no_folder(self, tmp_path, make, what):
        path = tmp_path / "none"
        if make:
            path.write_text("", encoding="utf-8")
        with pytest.raises(PluginError, match=rf"{re.escape(str(path))} {what}; create it"):
            find([path])

    def test_two_plugins_of_one_name(self, distribution):
        distribution("one", "1.0", fair="")
        distribution("two", "2.5", fair="")
        with pytest.raises(
            PluginError, match=r"two plugins are named 'fair': one of one 1\.0 and one of two 2\.5; remove"
        ):
            find()

    def test_a_file_named_like_an_entry_point(self, distribution, plugin_folder):
        distribution("one", fair="")
        with pytest.raises(PluginError, match=r"'fair': one of one 1\.0 and one of \S+fair\.py"):
            find([plugin_folder(fair="")])


class TestBlocking:
    @pytest.mark.parametrize("word", ["fair", "Site_Fair", "site-fair"])
    def test_by_plugin_and_by_distribution(self, distribution, word):
        distribution("site-fair", fair=policy("fair"), other=policy("other"))
        names = [one.name for one in select(find(), [word])]
        assert "fair" not in names
        assert ("other" in names) is (word == "fair")

    def test_files_by_their_stem(self, plugin_folder):
        assert list(loaded(plugin_folder(a="1/0", b=""), block=["a"]).loaded) == ["b"]

    def test_what_is_not_there(self, plugin_folder):
        with pytest.raises(
            PluginError,
            match=r"no plugin or distribution 'fiar' to block; did you mean 'fair'\? there are: fair, other",
        ):
            loaded(plugin_folder(fair="", other=""), block=["fiar"])

    def test_blocking_core_leaves_its_axes_empty(self):
        assert not list(Plugins.load(block=["builtin"]).traces)


class TestRegistries:
    def test_a_class_by_its_name(self, plugin_folder):
        folder = plugin_folder(mine=policy("mine"))
        one = loaded(folder).policies["mine"]
        assert (one.axis, one.name, one.plugin, one.distribution, one.version) == (
            "policy",
            "mine",
            "mine",
            str(folder / "mine.py"),
            "",
        )
        assert one.cls.__doc__ == "A policy."
        assert one.config is None

    def test_a_distribution_by_name_and_version(self, distribution):
        distribution("site-fair", "3.2.1", fair=policy("fair"))
        one = Plugins.load().policies["fair"]
        assert one.owner == "site-fair 3.2.1"

    def test_in_order_of_names(self, plugin_folder):
        registry = loaded(plugin_folder(a=policy("zz"), b=policy("mm"), c=policy("aa"))).policies
        assert (
            list(registry) == ["aa", "mm", "zz"] == list(registry.classes()) == [one.name for one in registry.values()]
        )
        assert len(registry) == 3
        assert "mm" in registry
        assert "nn" not in registry

    def test_an_unknown_name(self, plugin_folder):
        registry = loaded(plugin_folder(a=policy("easy"), b=policy("fair"))).policies
        with pytest.raises(
            PluginError, match=r"no queue policy is named 'eazy'; did you mean 'easy'\? installed: easy, fair$"
        ):
            registry["eazy"]
        with pytest.raises(PluginError, match=r"no pool is named 'x'; installed: none$"):
            loaded(plugin_folder()).pools["x"]

    def test_an_axis_is_asked_when_it_is_looked_at(self, plugin_folder):
        folder = plugin_folder(
            a="""
            calls = []
            @hookimpl
            def fluxplug_register_reports():
                calls.append(1)
                return []
            """
        )
        plugins = loaded(folder)
        calls = plugins.module_of("a").calls
        assert calls == []
        assert len(plugins.reports) == 0
        assert plugins.reports is plugins.registry("report")
        assert calls == [1]

    def test_the_installed_ones(self):
        plugins = Plugins.load()
        assert {"swf", "jobspec-jsonl"} <= set(plugins.traces)
        assert "lublin" in plugins.workloads
        assert plugins.traces["swf"].distribution == "fluxplug"

    def test_a_file_is_imported_once(self, plugin_folder):
        folder = plugin_folder(a=policy("aa"))
        assert loaded(folder).policies["aa"].cls is loaded(folder).policies["aa"].cls

    def test_equal_stems_of_two_folders_do_not_meet(self, plugin_folder):
        first, second = plugin_folder("one", a=policy("first")), plugin_folder("two", a=policy("second"))
        assert list(loaded(first).policies) == ["first"]
        assert list(loaded(second).policies) == ["second"]


# What a plugin file does wrong -> what the error says. Three lines of imports come before each source, so a line 1 below is line 5.
FAULTS = {
    "unknown name at import": (
        "x = undefined",
        r"fails to import: NameError: name 'undefined' is not defined \(\S+bad\.py:4\)",
    ),
    "syntax": ("\ndef broken(:\n", r"fails to import: SyntaxError: .* \(\S+bad\.py:5\)"),
    "missing module": (
        "import no_such_module_at_all",
        r"ModuleNotFoundError: No module named 'no_such_module_at_all' \(\S+bad\.py:4\)",
    ),
    "error below the plugin": (
        "import json\njson.loads('{')",
        r'JSONDecodeError: Expecting property .* \(\S+bad\.py:5\); repair or reinstall it, or block it with \[plugins\] block = \["bad"\]$',
    ),
    "exit at import": ("raise SystemExit(3)", r"fails to import: SystemExit: 3 \(\S+bad\.py:4\)"),
    "misspelt hook": (
        "@hookimpl\ndef fluxplug_regster_pools(): return []",
        r"no hook is named 'fluxplug_regster_pools' \(\S+bad\.py:[45]\); did you mean 'fluxplug_register_pools'\? hooks: fluxplug_add",
    ),
    "unknown argument": (
        "@hookimpl\ndef fluxplug_job_event(jobid, tiem): pass",
        r"hook fluxplug_job_event \(\S+bad\.py:[45]\) has no argument 'tiem'; did you mean 'time'\? arguments: context, jobid, name, time$",
    ),
    "argument of a hook without any": (
        "@hookimpl\ndef fluxplug_shutdown(now): pass",
        r"hook fluxplug_shutdown \(\S+\) has no argument 'now'; arguments: none$",
    ),
    "marker forgotten": (
        "def fluxplug_shutdown(): pass",
        r"fluxplug_shutdown \(\S+bad\.py:4\) is not marked; put @hookimpl",
    ),
    "wrapper that is no generator": (
        "@hookimpl(wrapper=True)\ndef fluxplug_shutdown(): pass",
        r"Declared as wrapper=True or hookwrapper=True but function is not a generator",
    ),
}

UNFIT = {
    "no list": (
        "return Good",
        r"fluxplug_register_policies \(\S+bad\.py:\d+\) returned Good; return a list of classes",
    ),
    "nothing": ("return None", r"returned a NoneType \(None\); return a list of classes"),
    "an instance": ("return [Good()]", r"which is not a class; return classes"),
    "no name": ("del Good.name; return [Good]", r"returned Good, whose name is None; give it `name = "),
    "name of a wrong type": ("Good.name = 3; return [Good]", r"whose name is 3; give it"),
    "name that cannot be written": ("Good.name = 'my policy'; return [Good]", r"whose name is 'my policy'; give it"),
    "no policy": (
        "del Good.schedule; return [Good]",
        r"returned Good, which is no queue policy: it lacks schedule; implement",
    ),
    "abstract": (
        "from fluxplug.policy import QueuePolicy\n    class Half(QueuePolicy): name = 'half'\n    return [Half]",
        r"returned Half, which is no queue policy: it lacks schedule",
    ),
    "Config that is no class": (
        "Good.Config = {}; return [Good]",
        r"whose Config is a dict \({}\); decorate it with attrs.frozen",
    ),
    "Config without attrs": ("Good.Config = int; return [Good]", r"whose Config is int; decorate it with attrs.frozen"),
    "Config that is not frozen": (
        "Good.Config = attrs.define(type('C', (), {})); return [Good]",
        r"whose Config is C; decorate",
    ),
    "Config with a dict": (
        "Good.Config = attrs.define(slots=False)(type('C', (), {})); return [Good]",
        r"whose Config is C; decor",
    ),
    "raises": ("1/0", r"failed: ZeroDivisionError: division by zero; repair it, or block it with"),
}
GOOD = """
class Good:
    name = "good"
    @attrs.frozen
    class Config: pass
    def schedule(self, pass_): yield

@hookimpl
def fluxplug_register_policies():
    {body}
"""


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    def test_at_loading(self, plugin_folder, fault):
        source, text = FAULTS[fault]
        with pytest.raises(PluginError, match=text) as caught:
            loaded(plugin_folder(bad=source))
        assert re.match(r"plugin 'bad' of \S+bad\.py\b", str(caught.value))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("fault", UNFIT)
    def test_of_a_class(self, plugin_folder, fault):
        body, text = UNFIT[fault]
        with pytest.raises(PluginError, match=text) as caught:
            loaded(plugin_folder(bad=GOOD.format(body=body))).registry("policy")
        assert re.match(r"plugin 'bad' of \S+bad\.py: ", str(caught.value))
        assert "\n" not in str(caught.value)

    def test_the_pattern_itself_is_good(self, plugin_folder):
        assert list(loaded(plugin_folder(good=GOOD.format(body="return [Good]"))).policies) == ["good"]

    def test_a_distribution_that_fails_is_named(self, distribution):
        site = distribution("site-fair", "2.0", fair="import no_such_module_at_all")
        with pytest.raises(
            PluginError, match=rf"^plugin 'fair' of site-fair 2\.0 fails to import: .*\({site}\S+:4\); repair"
        ):
            Plugins.load()

    def test_an_entry_point_to_nowhere(self, distribution):
        distribution("site-fair", "2.0", fair=None)
        with pytest.raises(
            PluginError, match=r"site-fair 2\.0 fails to import: ModuleNotFoundError: .* \(entry point fair = "
        ):
            Plugins.load()

    def test_a_failed_file_is_tried_again(self, plugin_folder):
        folder = plugin_folder(a="1/0")
        with pytest.raises(PluginError):
            loaded(folder)
        plugin_folder(a="x = 1.0")
        assert list(loaded(folder).loaded) == ["a"]

    def test_two_owners(self, distribution):
        distribution("one", "1.0", first=policy("fair"))
        distribution("two", "2.5", second=policy("fair"))
        text = r"^queue policy 'fair' has two owners, one 1\.0 and two 2\.5; uninstall one or block it with \[plugins\] block = \[\"second\"\]$"
        with pytest.raises(PluginError, match=text):
            Plugins.load().registry("policy")

    def test_one_owner_twice(self, plugin_folder):
        with pytest.raises(PluginError, match="has two owners"):
            loaded(plugin_folder(good=GOOD.format(body="return [Good, Good]"))).registry("policy")

    def test_one_name_on_two_axes_is_fine(self, plugin_folder):
        source = (
            policy("same")
            + """
class Report:
    name = "same"
    def write(self): pass
@hookimpl
def fluxplug_register_reports(): return [Report]
"""
        )
        plugins = loaded(plugin_folder(a=source))
        assert plugins.reports["same"].cls is not plugins.policies["same"].cls

    def test_registration_cannot_be_wrapped(self, plugin_folder):
        source = "@hookimpl(wrapper=True)\ndef fluxplug_register_pools():\n    return (yield)"
        with pytest.raises(PluginError, match=r"fluxplug_register_pools cannot be wrapped \(\S+\)"):
            loaded(plugin_folder(a=source)).registry("pool")

    def test_one_module_under_two_names(self, distribution):
        site = distribution("one", first="")
        module = next(site.glob("*.py")).stem
        info = next(site.glob("*.dist-info"))
        (info / "entry_points.txt").write_text(f"[fluxplug]\nfirst = {module}\nsecond = {module}\n", encoding="utf-8")
        with pytest.raises(PluginError, match=r"plugin 'second' of one 1\.0 is the same object as another plugin"):
            Plugins.load()


class TestHooks:
    def test_wants(self, plugin_folder):
        plugins = loaded(plugin_folder(a="@hookimpl\ndef fluxplug_job_event(jobid): pass"))
        assert plugins.wants("job_event")
        assert not plugins.wants("pass_begin")
        assert plugins.hooks_of("a") == ("fluxplug_job_event",)

    def test_all_are_called_the_last_loaded_first(self, plugin_folder):
        source = """
        @hookimpl
        def fluxplug_modify_jobspec(jobspec): jobspec["tasks"][0]["command"].append({name!r})
        """
        plugins = loaded(plugin_folder(a=source.format(name="a"), b=source.format(name="b")))
        job = jobspec()
        plugins.modify_jobspec("simulate", None, job)
        assert job["tasks"][0]["command"][-2:] == ["b", "a"]

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            ("raise RuntimeError('no\\nluck')", "failed: RuntimeError: no luck"),
            ("raise ValueError('refused too early')", "failed: ValueError: refused too early"),
            (
                "jobspec['resources'][0]['count'] = 0",
                "leaves a jobspec that is not valid: resources[0].count: count must",
            ),
            ("del jobspec['tasks']", "leaves a jobspec that is not valid: Missing key (tasks)"),
            (
                "jobspec['attributes']['system']['seen'] = {1}",
                "leaves a jobspec that is not valid: attributes.system.seen",
            ),
        ],
    )
    def test_one_that_breaks_a_jobspec_is_named(self, plugin_folder, body, told):
        folder = plugin_folder(
            a="@hookimpl\ndef fluxplug_modify_jobspec(): pass",
            b=f"@hookimpl\ndef fluxplug_modify_jobspec(jobspec): {body}",
        )
        with pytest.raises(PluginError) as caught:
            loaded(folder).modify_jobspec("simulate", None, jobspec())
        shown = str(caught.value)
        assert shown.startswith(f"plugin 'b' of {folder}/b.py: fluxplug_modify_jobspec ({folder}/b.py:4) {told}"), shown
        assert shown.endswith('; repair it, or block it with [plugins] block = ["b"]')
        assert "\n" not in shown

    def test_one_that_fails_to_judge_is_named(self, plugin_folder):
        folder = plugin_folder(a="@hookimpl\ndef fluxplug_validate_jobspec(jobspec): jobspec['nothing']")
        with pytest.raises(
            PluginError, match=r"^plugin 'a' of .*: fluxplug_validate_jobspec .* failed: KeyError: 'noth"
        ):
            loaded(folder).validate_jobspec(jobspec())

    def test_what_edits_a_jobspec_cannot_be_wrapped(self, plugin_folder):
        source = "import pluggy\n@pluggy.HookimplMarker('fluxplug')(wrapper=True)\ndef fluxplug_modify_jobspec(): return (yield)"
        with pytest.raises(PluginError, match="fluxplug_modify_jobspec cannot be wrapped"):
            loaded(plugin_folder(a=source)).modify_jobspec("simulate", None, jobspec())

    def test_every_watching_hook_gets_its_arguments(self, plugin_folder):
        source = """
        seen = []
        @hookimpl
        def fluxplug_pass_begin(queue, now): seen.append((queue, now))
        @hookimpl
        def fluxplug_pass_end(queue, now, started, reserved): seen.append((queue, now, started, reserved))
        @hookimpl
        def fluxplug_job_event(jobid, time, name, context): seen.append((jobid, time, name, context))
        @hookimpl
        def fluxplug_shutdown(): seen.append("end")
        """
        plugins = loaded(plugin_folder(a=source))
        plugins.pass_begin("batch", 1.0)
        plugins.pass_end("batch", 1.0, [7], {8: 2.0})
        plugins.job_event(7, 1.0, "alloc", {"note": "x"})
        plugins.shutdown()
        assert plugins.module_of("a").seen == [
            ("batch", 1.0),
            ("batch", 1.0, [7], {8: 2.0}),
            (7, 1.0, "alloc", {"note": "x"}),
            "end",
        ]

    def test_a_refusal_passes_through(self, plugin_folder):
        source = "@hookimpl\ndef fluxplug_validate_jobspec(jobspec): raise ValueError('no limit')"
        with pytest.raises(ValueError, match=r"^no limit$"):
            loaded(plugin_folder(a=source)).validate_jobspec({})

    def test_the_first_priority_decides(self, plugin_folder):
        source = "@hookimpl\ndef fluxplug_job_priority(job): return {answer}"
        assert loaded(plugin_folder("none")).job_priority(None) is None
        folder = plugin_folder(
            a=source.format(answer=1), b=source.format(answer=MAX_PRIORITY), c=source.format(answer=None)
        )
        assert loaded(folder).job_priority(None) == MAX_PRIORITY

    @pytest.mark.parametrize("answer", ["-1", "2**32", "True", "1.5", "'high'"])
    def test_no_priority(self, plugin_folder, answer):
        plugins = loaded(plugin_folder(a=f"@hookimpl\ndef fluxplug_job_priority(job): return {answer}"))
        with pytest.raises(
            PluginError, match=r"^plugin 'a' of \S+a\.py: fluxplug_job_priority returned .*; it has to return None or"
        ):
            plugins.job_priority(None)

    def test_dependencies_are_joined_in_loading_order(self, plugin_folder):
        source = "@hookimpl\ndef fluxplug_job_dependencies(job): return {answer}"
        folder = plugin_folder(
            a=source.format(answer="['x']"), b=source.format(answer="('y', 'z')"), c=source.format(answer="None")
        )
        assert loaded(folder).job_dependencies(None) == ["x", "y", "z"]

    @pytest.mark.parametrize("answer", ["'x'", "[1]", "{'x'}"])
    def test_no_dependencies(self, plugin_folder, answer):
        plugins = loaded(plugin_folder(a=f"@hookimpl\ndef fluxplug_job_dependencies(job): return {answer}"))
        with pytest.raises(PluginError, match="has to return a list of texts"):
            plugins.job_dependencies(None)


class TestOptions:
    OPTION = """
    @hookimpl
    def fluxplug_add_options(parser, command):
        if command == "simulate":
            parser.add_argument({flag!r}, default="none")
    """

    def test_under_a_heading_of_their_own(self, plugin_folder):
        plugins = loaded(plugin_folder(site=self.OPTION.format(flag="--site-account")))
        parser = argparse.ArgumentParser()
        plugins.add_options("simulate", parser)
        assert parser.parse_args(["--site-account", "me"]).site_account == "me"
        assert "options of plugin site (" in " ".join(parser.format_help().split())

    def test_a_plugin_without_options_has_no_heading(self, plugin_folder):
        plugins = loaded(plugin_folder(site=self.OPTION.format(flag="--site-account")))
        parser = argparse.ArgumentParser()
        plugins.add_options("explain", parser)
        assert "site" not in parser.format_help()

    def test_an_option_taken_twice(self, plugin_folder):
        plugins = loaded(plugin_folder(a=self.OPTION.format(flag="--same"), b=self.OPTION.format(flag="--same")))
        with pytest.raises(
            PluginError,
            match=r"^plugin 'b' of \S+: fluxplug_add_options \(\S+\) failed: .*--same.*; repair it, or block",
        ):
            plugins.add_options("simulate", argparse.ArgumentParser())
