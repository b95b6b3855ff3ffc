"""Named formats: those built in, those from files, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
import tomli

from fluxplug.errors import ConfigError, FormatError
from fluxplug.listing.formats import TOOLS, Formats
from fluxplug.listing.jobs import JobInfoFormat

RECORDED = {
    "default": "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} {status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
    "{contextual_time!F:>8h} {contextual_info}",
    "cute": "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} {status_emoji:>5.5} {ntasks:>6} {nnodes:>6h} "
    "{contextual_time!F:>8h} {contextual_info}",
    "long": "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} {status:>9.9} {ntasks:>6} {nnodes:>6h} "
    "{t_submit!d:%b%d %R::>12} {t_remaining!F:>12h} {contextual_time!F:>8h} {contextual_info}",
    "deps": "{id.f58:>12} ?:{queue:<8.8} {name:<10.10+} {urgency:<3} {priority:<12} {state:<8.8} {dependencies}",
    "endreason": "{id.f58:>12} ?:{queue:<8.8} +:{username:<8} {name:<10.10+} {status_abbrev:>2.2} "
    "{t_inactive!d:%b%d %R::>12h} {inactive_reason}",
}


@pytest.fixture
def folder(tmp_path):
    def make(**files):
        for name, text in files.items():
            place, _, suffix = name.rpartition("_")
            path = tmp_path / place / "flux" / f"flux-jobs.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return {"XDG_CONFIG_DIRS": f"{tmp_path}/site:{tmp_path}/vendor", "XDG_CONFIG_HOME": f"{tmp_path}/home"}

    return make


def test_built_in():
    assert {name: Formats("jobs", {}).find(name) for name in RECORDED} == RECORDED
    assert Formats("pgrep", {}).find() == "{id.f58}"
    assert Formats("pgrep", {}).find("full") == RECORDED["default"]
    for name in ("jobs", "pgrep"):
        for one in TOOLS[name].formats:
            JobInfoFormat(one.format)


def test_default_of_the_environment(folder):
    environ = folder(home_json='{"formats": {"mine": {"format": "{id}"}}}')
    assert Formats("jobs", environ).find() == RECORDED["default"]
    assert Formats("jobs", {**environ, "FLUX_JOBS_FORMAT_DEFAULT": "long"}).find() == RECORDED["long"]
    assert Formats("jobs", {**environ, "FLUX_JOBS_FORMAT_DEFAULT": "mine"}).find() == "{id}"
    assert Formats("jobs", {**environ, "FLUX_JOBS_FORMAT_DEFAULT": "{name}"}).find() == "{name}"
    assert Formats("jobs", {**environ, "FLUX_JOBS_FORMAT_DEFAULT": "long"}).find("deps") == RECORDED["deps"]


def test_files_in_their_order(folder):
    environ = folder(
        vendor_yaml="formats:\n  a: {format: '{id} vendor'}\n  b: {format: '{id} vendor'}\n  c: {format: '{id} vendor'}\n",
        site_toml="[formats.b]\nformat = '{id} site'\n[formats.c]\nformat = '{id} site'\n",
        home_json='{"formats": {"c": {"format": "{id} home", "description": "mine"}}}',
    )
    formats = Formats("jobs", environ)
    assert [formats.find(name) for name in "abc"] == ["{id} vendor", "{id} site", "{id} home"]
    assert [one.name for one in formats.all()] == ["default", "a", "b", "c", "cute", "deps", "endreason", "long"]
    assert "\n  c          mine\n" in formats.help()
    snippet = formats.get_config("c")
    assert snippet == '[formats.c]\ndescription = "mine"\nformat = "{id} home"'
    assert tomli.loads(formats.get_config("long"))["formats"]["long"]["format"] == RECORDED["long"]
    with pytest.raises(FormatError, match="No such format x"):
        formats.get_config("x")


def test_tables_and_settings_of_a_tool_with_subcommands(tmp_path):
    path = tmp_path / "flux" / "flux-resource.toml"
    path.parent.mkdir()
    path.write_text("[list]\nhidden-queues = ['debug']\n[list.formats.x]\nformat = '{state}'\n", encoding="utf-8")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none")}
    assert Formats("resource-list", environ).find("x") == "{state}"
    assert Formats("resource-list", environ).setting("hidden-queues") == ["debug"]
    assert Formats("resource-list", environ).get_config("x").startswith("[list.formats.x]\n")
    assert Formats("resource-status", environ).setting("hidden-queues") is None
    with pytest.raises(FormatError):
        Formats("resource-status", environ).find("x")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("bogus", r"^No such format bogus \(Did you mean '\{bogus\}'\?\)$"),
        ("two words", r"^No such format two words$"),
    ],
)
def test_no_such_format(folder, text, error):
    with pytest.raises(FormatError, match=error):
        Formats("jobs", folder()).find(text)


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"home_toml": "x = }"}, r"flux-jobs\.toml: .*line 1"),
        ({"home_json": "{"}, r"flux-jobs\.json: not "),
        ({"home_json": "[]"}, r"flux-jobs\.json: the file: expected a table"),
        ({"home_yaml": "formats: 3"}, r"flux-jobs\.yaml: formats: expected a table"),
        ({"home_json": '{"formats": {"a": {}}}'}, r"formats\.a\.format: expected a text"),
        ({"home_json": '{"formats": {"a": {"format": "x", "description": 3}}}'}, r"formats\.a\.description: expected"),
        ({"home_json": '{"formats": {"long": {"format": "{id}"}}}'}, r"formats\.long: a built-in format"),
    ],
)
def test_broken_files(folder, files, error):
    formats = Formats("jobs", folder(**files))
    assert formats.find("long") == RECORDED["long"]
    with pytest.raises(ConfigError, match=error):
        formats.find("mine")


def test_what_a_job_listing_imports():
    code = """if True:
        import sys
        from fluxplug.job import JobInfo, JobInfoFormat
        from fluxplug.listing.formats import Formats
        JobInfoFormat(Formats("jobs", {}).find()).lines([JobInfo({"id": 1, "state": 8})])
        slow = {"attr", "rich", "yaml", "tomli", "pluggy", "pathlib", "asyncio", "datetime.zoneinfo", "inspect"}
        before = {name for name in sys.argv[1].split(",")}
        print(sorted((slow & set(sys.modules)) - before))
    """
    bare = "import sys; print(','.join(sys.modules))"
    already = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout.strip()
    done = subprocess.run([sys.executable, "-c", code, already], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
