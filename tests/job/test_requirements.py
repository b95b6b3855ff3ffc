"""The jobspec examples of the project's requirements run as they are written there, but for the import lines."""

from __future__ import annotations

import ast
import re

import pytest

import fluxplug
import fluxplug.job

DOCUMENT = "requirements/004_14928200ad3f4db8.txt"
EXAMPLE = re.compile(
    r"(js|jobspec) = (flux\.job\.)?JobspecV1\.|(js|jobspec)\.apply_options\(|for opt in CLIPluginRegistry"
)
# Longest example in lines.
LONGEST = 20
# The one whose line breaks were lost when the document became text.
UNREADABLE = ["js = JobspecV1.from_batch("]

PLUGIN = """
from fluxplug.cli.plugin import CLIPlugin

class GpuMode(CLIPlugin):
    def __init__(self, prog):
        super().__init__(prog, prefix="amd")
        self.add_option("--gpumode", choices=["SPX", "TPX", "CPX"])

    def modify_jobspec(self, args, jobspec):
        if args.gpumode:
            jobspec.setattr("gpumode", args.gpumode)
"""


def examples(text):
    """The statements that make or change a jobspec, each as it stands, in their order; and the first lines of those that do not parse."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if EXAMPLE.match(line):
            for end in range(number + 1, number + LONGEST):
                source = "\n".join(lines[number:end])
                try:
                    ast.parse(source)
                except SyntaxError:
                    continue
                yield source, True
                break
            else:
                yield line, False


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """The imports, a plugin that offers --amd-gpumode, and the files that examples attach."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "gpumode.py").write_text(PLUGIN)
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", str(tmp_path / "plugins"))
    for name in ("script.sh", "setup.sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
    from fluxplug.cli.plugin import CLIPluginRegistry

    return {"flux": fluxplug, "JobspecV1": fluxplug.job.JobspecV1, "CLIPluginRegistry": CLIPluginRegistry}


def test_examples_run_as_written(shared, namespace, tmp_path, capsys):
    text = (shared / DOCUMENT).read_text(encoding="utf-8")
    found = list(examples(text))
    assert [source for source, readable in found if not readable] == UNREADABLE
    ran = [source for source, readable in found if readable]
    kinds = {kind: sum(kind in source for source in ran) for kind in ("from_submit", "from_alloc", "from_batch")}
    assert kinds == {"from_submit": 5, "from_alloc": 2, "from_batch": 3}, "the document has changed"
    for source in ran:
        exec(source.replace("/path/to", str(tmp_path)), namespace)  # noqa: S102 - examples are there to be run
        for name in ("js", "jobspec"):
            if name in namespace:
                assert fluxplug.job.validate_jobspec(namespace[name].dumps(), 1)[0]
        if "amd_gpumode" in source:
            assert namespace["js"].getattr("system.gpumode") == "TPX"
    assert "--amd-gpumode -> dest: amd_gpumode" in capsys.readouterr().out
