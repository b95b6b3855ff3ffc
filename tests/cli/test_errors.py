"""Each mistake of a user in plugins and configuration is one line on standard error, with place and remedy, and exit code 2."""

from __future__ import annotations

import pytest

from fluxplug.cli.main import main

FAIR = """
class Fair:
    name = "fair"
    def schedule(self, pass_): yield

@hookimpl
def fluxplug_register_policies(): return [Fair]
"""


@pytest.fixture
def complaint(capsys):
    """Run a command line and return its one line of complaint."""

    def run(*words):
        assert main([str(word) for word in words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.endswith("\n")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err.rstrip("\n")

    return run


@pytest.fixture
def sched(tmp_path):
    def write(text):
        path = tmp_path / "sched.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


# text -> where, and the remedy
CONFIGURATIONS = {
    "unknown key": (
        "[sched]\nqueue-polcy = 'easy'",
        ":2: [sched] queue-polcy: unknown key",
        "did you mean 'queue-policy'?",
    ),
    "wrong type": ("[sched]\nqueue-policy = 3", ":2: [sched] queue-policy: expected a string", "got an integer: 3"),
    "value out of range": (
        "[sched]\nqueue-policy = 'hybrid'\n[sched.policy-params]\nreservation-depth = 0",
        ":4: [sched] policy-params.reservation-depth: 0 is out of range",
        "use 1 or more",
    ),
    "unknown policy": (
        "[sched]\nqueue-policy = 'eezy'",
        ":2: [sched] queue-policy: no queue policy is named 'eezy'",
        "did you mean 'easy'? installed: conservative, easy, fcfs, hybrid",
    ),
    "unknown pool": (
        "\n[sched]\npool = 'rv'",
        ":3: [sched] pool: no pool is named 'rv'",
        "did you mean 'rv1'? installed: ",
    ),
    "broken TOML": ("[sched\npool = 'rv1'", ":1: broken TOML: ", "mend the syntax of this line"),
    "blocking nothing": (
        "[plugins]\nblock = ['fcsf']",
        ":2: [plugins] block: no plugin or distribution 'fcsf'",
        "there are: ",
    ),
    "missing folder": ("[plugins]\npath = ['x']", ":2: [plugins] path: plugin folder ", "create it or take it out"),
}

PLUGINS = {
    "fails to import": (
        "import no_such_module_at_all",
        "fails to import: ModuleNotFoundError",
        'block it with [plugins] block = ["site"]',
    ),
    "misspelt hook": (
        "@hookimpl\ndef fluxplug_regster_pools(): return []",
        "no hook is named 'fluxplug_regster_pools'",
        "did you mean 'fluxplug_register_pools'?",
    ),
    "unknown argument": (
        "@hookimpl\ndef fluxplug_pass_begin(queue, when): pass",
        "fluxplug_pass_begin",
        "has no argument 'when'",
    ),
    "unfit class": (FAIR.replace('"fair"', "None"), "whose name is None", 'give it `name = "..."`'),
    "Config not frozen": (
        FAIR.replace("    def", "    Config = dict\n    def"),
        "whose Config is dict",
        "decorate it with attrs.frozen",
    ),
}


@pytest.mark.parametrize("mistake", CONFIGURATIONS)
def test_in_a_configuration(complaint, sched, mistake):
    text, where, remedy = CONFIGURATIONS[mistake]
    path = sched(text)
    line = complaint("config", "check", path)
    assert line.startswith(f"fluxplug config: {path}{where}")
    assert remedy in line


@pytest.mark.parametrize("words", [["config", "check"], ["plugins", "--config"], ["simulate", "none.swf", "--config"]])
@pytest.mark.parametrize("mistake", PLUGINS)
def test_in_a_plugin_file(complaint, sched, plugin_folder, words, mistake):
    source, what, remedy = PLUGINS[mistake]
    folder = plugin_folder("mine", site=source)
    line = complaint(*words, sched("[plugins]\npath = ['mine']"))
    assert line.startswith(f"fluxplug {words[0]}: plugin 'site' of {folder / 'site.py'}")
    assert what in line
    assert remedy in line
    assert f"{folder / 'site.py'}:" in line


@pytest.mark.parametrize("mistake", PLUGINS)
def test_in_an_installed_plugin(complaint, distribution, mistake):
    source, what, remedy = PLUGINS[mistake]
    distribution("site-plugins", "4.2", site=source)
    line = complaint("plugins")
    assert line.startswith("fluxplug plugins: plugin 'site' of site-plugins 4.2")
    assert what in line
    assert remedy in line


@pytest.mark.parametrize(
    "words", [["config", "check", "{}"], ["plugins", "--config", "{}"], ["plugins", "show", "easy", "--config", "{}"]]
)
def test_two_owners(complaint, sched, distribution, words):
    distribution("one", "1.0", first=FAIR)
    distribution("two", "2.0", second=FAIR)
    path = sched("[plugins]\nblock = []")
    line = complaint(*[word.format(path) for word in words])
    assert "queue policy 'fair' has two owners, one 1.0 and two 2.0; uninstall one or block it with" in line


def test_a_blocked_owner_is_none(sched, distribution, capsys):
    distribution("one", "1.0", first=FAIR)
    distribution("two", "2.0", second=FAIR)
    assert main(["plugins", "--config", str(sched("[plugins]\nblock = ['two']"))]) == 0
    assert "fair" in capsys.readouterr().out


def test_a_blocked_plugin_may_be_broken(sched, distribution, capsys):
    distribution("one", "1.0", first="1/0")
    assert main(["plugins", "--config", str(sched("[plugins]\nblock = ['first']"))]) == 0
    assert "easy" in capsys.readouterr().out


def test_no_file(complaint, tmp_path, monkeypatch):
    assert complaint("config", "check", tmp_path / "none.toml").endswith(
        "none.toml: cannot be read: No such file or directory; check the path"
    )
    monkeypatch.chdir(tmp_path)
    assert (
        complaint("config", "check")
        == "fluxplug config: there is no sched.toml and no conf/sched.toml here; name a file"
    )


def test_showing_what_is_not_there(complaint):
    assert complaint("plugins", "show", "eazy").startswith(
        "fluxplug plugins: nothing is named 'eazy'; did you mean 'easy'? installed: "
    )
