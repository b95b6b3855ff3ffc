"""The rules of the house: who may import whom, and what no file of the repository has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CORE = ROOT / "fluxplug"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
MAX_LINES = 600

# What the lower half of the core may import of the rest of it; `type:` marks what may be imported for type checkers alone.
MAY_IMPORT = {
    "values": {"errors"},
    "jobspec": {"errors", "values"},
    "resource": {"errors", "values", "jobspec", "type:clock"},
    "policy": {"type:engine"},
    "engine": {"errors", "values", "clock", "type:policy", "type:resource"},
    "listing": {"errors", "values", "clock", "jobspec", "resource"},
}
# What is imported when it is called, against the direction: ResourcePool(R) finds a pool through the registry, and apply_options(prog=...)
# the submission plugins, which are asked where jobs are taken in, too.
EXCEPTIONS = {("resource/factory.py", "plugins"), ("jobspec/options.py", "cli"), ("ingest.py", "cli")}

# Nothing but these imports the key: the top of the core, and what is for tests.
ONLY_FROM = {
    "cli": {"cli", "__main__"},
    "builtin": {"builtin"},
    "job": {"job", "cli"},
    "testing": {"testing"},
    "sim": {"sim", "report", "cli", "builtin", "ingest", "testing"},
}


class Import(NamedTuple):
    file: str
    line: int
    module: str
    name: str
    typing: bool

    def __str__(self):
        return f"{self.file}:{self.line} imports {self.module} {self.name}".strip()


def imports(path, base):
    """Every import statement in a file, a row a name, wherever it stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    file = path.relative_to(base).as_posix()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, "", id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are absolute"
            for alias in node.names:
                yield Import(file, node.lineno, node.module or "", alias.name, id(node) in guarded)


CORE_IMPORTS = [one for path in sorted(CORE.rglob("*.py")) for one in imports(path, CORE)]
PLUGIN_IMPORTS = {
    folder.name: [one for path in sorted(folder.glob("fluxplug_*/**/*.py")) for one in imports(path, folder)]
    for folder in PLUGINS
}


def own(one):
    """The part of the core (a package or a module at the top) that a core import leads to; None for anything else."""
    words = f"{one.module}.{one.name}".split(".") if one.module == "fluxplug" else one.module.split(".")
    return words[1] if words[0] == "fluxplug" and len(words) > 1 else None


def part(one):
    """The part of the core that a file belongs to."""
    return one.file.split("/")[0].removesuffix(".py")


def tracked():
    """Every file that git tracks or would; skips where the tree is not a checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, or no git")
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


# Imports.


def test_core_never_imports_a_plugin():
    assert not [str(one) for one in CORE_IMPORTS if one.module.startswith("fluxplug_")]


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layers(layer):
    allowed = MAY_IMPORT[layer]
    wrong = [
        str(one)
        for one in CORE_IMPORTS
        if part(one) == layer
        and own(one) not in (None, layer, *allowed)
        and not (one.typing and f"type:{own(one)}" in allowed)
        and (one.file, own(one)) not in EXCEPTIONS
    ]
    assert not wrong


@pytest.mark.parametrize("upper", ONLY_FROM)
def test_nothing_below_imports_what_is_above(upper):
    wrong = [
        str(one)
        for one in CORE_IMPORTS
        if own(one) == upper
        and part(one) not in ONLY_FROM[upper]
        and not one.typing
        and (one.file, upper) not in EXCEPTIONS
    ]
    assert not wrong


def test_one_place_for_pluggy():
    users = {one.file for one in CORE_IMPORTS if one.module.split(".")[0] == "pluggy"}
    assert users == {"hookspecs.py", "plugins.py"}
    assert not [str(one) for rows in PLUGIN_IMPORTS.values() for one in rows if one.module.split(".")[0] == "pluggy"]


def test_one_place_for_cffi():
    every = [*CORE_IMPORTS, *(one for rows in PLUGIN_IMPORTS.values() for one in rows)]
    users = {one.file for one in every if one.module.split(".")[0] in {"cffi", "fluxplug_graph"}}
    assert {file.rpartition("/")[0] for file in users} <= {"fluxplug_pool_graph/core"}
    exported = ast.parse((ROOT / "csrc" / "fluxplug_graph" / "__init__.py").read_text(encoding="utf-8")).body[-1]
    assert ast.unparse(exported) == "__all__ = ['ffi', 'lib']"


def test_one_place_reads_the_clock():
    every = [*CORE_IMPORTS, *(one for rows in PLUGIN_IMPORTS.values() for one in rows)]
    assert {one.file for one in every if one.module == "time"} == {"clock.py"}
    assert not [str(one) for one in every if one.module == "datetime" and one.name != "timedelta"]


def test_core_imports_what_it_declares():
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {Requirement(text).name for text in project["dependencies"]}
    for_tests = {Requirement(text).name for text in project["optional-dependencies"]["test"]}
    for one in CORE_IMPORTS:
        name = one.module.split(".")[0]
        if not one.typing and name not in {"fluxplug", *sys.stdlib_module_names}:
            allowed = declared | for_tests if part(one) == "testing" else declared
            assert {"attr": "attrs", "yaml": "pyyaml"}.get(name, name) in allowed, str(one)


@pytest.mark.parametrize("plugin", PLUGIN_IMPORTS)
def test_a_plugin_imports_public_names_alone(plugin):
    package = f"fluxplug_{plugin.replace('-', '_')}"
    for one in PLUGIN_IMPORTS[plugin]:
        top = one.module.split(".")[0]
        if top in {package, "fluxplug_graph"}:
            continue
        assert not top.startswith("fluxplug_"), f"{one}: another plugin"
        if top == "fluxplug":
            assert not any(word.startswith("_") for word in [*one.module.split("."), one.name]), f"{one}: private"
            if one.module != "fluxplug.cli.plugin":  # the contract of submission plugins, under the name of Flux's
                assert own(one) not in {"cli", "builtin", "build"}, f"{one}: not for plugins"


def test_packages_are_light():
    code = """if True:
        import sys
        before = set(sys.modules)
        import fluxplug, fluxplug.values, fluxplug.resource, fluxplug.jobspec, fluxplug.engine, fluxplug.sim, fluxplug.report, fluxplug.job
        new = set(sys.modules) - before
        print(sorted(name for name in new if not name.startswith("fluxplug") and name.split(".")[0] not in sys.stdlib_module_names))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Files.


def test_plugins_look_alike():
    assert PLUGINS
    for folder in PLUGINS:
        project = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["name"] == f"fluxplug-{folder.name}"
        group = "fluxplug.cli.plugins" if folder.name.startswith("submit-") else "fluxplug"
        assert project["entry-points"] == {group: {folder.name: f"fluxplug_{folder.name.replace('-', '_')}"}}
        assert (folder / "README.md").stat().st_size > 200, f"{folder.name}/README.md says nothing"
        assert list(folder.glob("tests/test_*.py")), f"{folder.name} has no tests"


def test_no_file_is_too_long():
    sources = [path for path in tracked() if path.suffix in {".py", ".c", ".h"}]
    counts = {path: path.read_text(encoding="utf-8").count("\n") for path in sources}
    long = {path.relative_to(ROOT).as_posix(): count for path, count in counts.items() if count > MAX_LINES}
    assert not long, "look for the second concept in it"


def test_no_file_names_a_machine():
    # Put together here, so that this file passes its own test.
    folders = ["work", "root", "home", "Users", "opt", "mnt"]
    hosts = ["pypi.org", "pythonhosted.org", "proxy.golang.org", "registry.npmjs.org", "crates.io"]
    paths = "|".join(rf"(?<![\w.~/)\]}}-])/{name}/" for name in folders)
    pattern = re.compile(rf"{paths}|{'|'.join(map(re.escape, hosts))}")
    wrong = []
    for path in tracked():
        if path != Path(__file__):
            text = path.read_bytes().decode("utf-8", errors="replace")
            wrong += [f"{path.relative_to(ROOT)}: {found.group()}" for found in pattern.finditer(text)]
    assert not wrong


def test_constraints_are_names_and_versions():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    for pin in pins:
        assert re.fullmatch(r'[\w.-]+==[\w.]+(; python_version [<>=]+ "3\.\d+")?', pin), pin


def test_every_package_that_gets_installed_is_constrained():
    """What ours need, and what that needs, on this Python: an unpinned one would drift."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    wanted = [Requirement("fluxplug[test,check]"), *(Requirement(f"fluxplug-{folder.name}") for folder in PLUGINS)]
    seen = set()
    while wanted:
        requirement = wanted.pop()
        if requirement.name in seen:
            continue
        seen.add(requirement.name)
        try:
            needs = metadata.requires(requirement.name) or []
        except metadata.PackageNotFoundError:  # `make check` has not been run
            continue
        extras = [{"extra": extra} for extra in (requirement.extras or [""])]
        needs = map(Requirement, needs)
        wanted += [need for need in needs if need.marker is None or any(map(need.marker.evaluate, extras))]
    assert {canonicalize_name(name) for name in seen if not name.startswith("fluxplug")} <= pinned
