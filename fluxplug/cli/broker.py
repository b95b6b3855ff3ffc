"""Start an instance within a job, on the resources of the job: what `batch` and `alloc` run as `flux broker`.

Its first task serves, and runs the given program (by default a shell) inside; the others, one on each of the other hosts, keep these for it until it ends.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxplug.errors import ConfigError, FluxplugError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(name: str, words: Sequence[str]) -> int:
    """Run a broker with the words after `broker`: `-cFILE`, `-Skey=value` and other options of Flux's, then a command."""
    from fluxplug.cli.main import fail  # noqa: PLC0415 - it has imported us

    if words[:1] in (["-h"], ["--help"]):
        print(f"usage: fluxplug {name} [-cFILE] [COMMAND ...]\n\n{__doc__}")
        return 0
    try:
        config, command, shell = _parse(words)
        if os.environ.get("FLUX_TASK_RANK", "0") != "0":
            return _stand_by()
        return _serve(config, command or ([os.environ.get("SHELL", "/bin/sh")] if shell else []))
    except FluxplugError as error:
        return fail(name, str(error))


def _parse(words: Sequence[str]) -> tuple[Path | None, list[str], bool]:
    """The configuration file, the command, and whether without one a shell is to run; options that only Flux's broker knows are passed over."""
    config = None
    shell = True
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "--":
        word = rest.pop(0)
        if word.startswith(("-c", "--config-path")):
            given = word.partition("=")[2] if word.startswith("--") else word[2:]
            config = Path(given or (rest.pop(0) if rest else ""))
        else:
            given = rest.pop(0) if word in {"-S", "--setattr"} and rest else word
            shell = shell and not given.endswith("broker.rc2_none=1")
    return config, rest[1:] if rest[:1] == ["--"] else rest, shell


def _serve(conf: Path | None, command: list[str]) -> int:
    import attrs  # noqa: PLC0415 - the other tasks need none of this

    from fluxplug.cli.start import pretending, reaching  # noqa: PLC0415
    from fluxplug.client import Client  # noqa: PLC0415
    from fluxplug.config import ResourceConfig, default_config, load_config  # noqa: PLC0415
    from fluxplug.instance.server import Options, serve  # noqa: PLC0415
    from fluxplug.plugins import Plugins  # noqa: PLC0415

    jobid = os.environ.get("FLUX_JOB_ID")
    if jobid is None or "FLUXPLUG_URI" not in os.environ:
        raise ConfigError("a broker is started by an instance, as a job of batch or alloc; see fluxplug start")
    parent = Client(os.environ["FLUXPLUG_URI"])
    tmpdir = Path(os.environ["FLUX_JOB_TMPDIR"])
    machine = tmpdir / "R.json"
    R = parent.get(f"/v1/jobs/{jobid}/R")  # noqa: N806 - the format's name
    machine.write_text(_own(R), encoding="utf-8")
    config = default_config(Plugins.load()) if conf is None else load_config(conf)
    config = attrs.evolve(config, resource=ResourceConfig(path=machine))
    alone = os.environ.get("FLUX_JOB_NNODES", "1") == "1"
    config = pretending(config) if alone else reaching(config, parent.get("/v1/config"))
    assert config.plugins is not None

    def ready(uri: str) -> None:
        parent.post(f"/v1/jobs/{jobid}/memo", {"memo": {"uri": uri}})

    statedir = tmpdir / "state"
    code = serve(config, config.plugins, Options(statedir=statedir, command=command, ready=ready, durability="process"))
    _meet()
    return code


def _own(R: dict[str, Any]) -> str:  # noqa: N803 - the format's name
    """The R of a job as a machine: its ranks counted from 0, with no end of their own."""
    import json  # noqa: PLC0415

    from fluxplug.resource.rset import Rv1Set  # noqa: PLC0415
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    execution = Rv1Set(R).to_dict()["execution"]
    held = {rank: part["children"] for part in execution["R_lite"] for rank in IDset(part["rank"])}
    lite = [{"rank": str(number), "children": held[rank]} for number, rank in enumerate(sorted(held))]
    execution = {**execution, "R_lite": lite, "starttime": 0.0, "expiration": 0.0}
    execution.pop("nslots", None)
    execution.pop("properties", None)
    return json.dumps({"version": 1, "execution": execution})


def _stand_by() -> int:
    """Be there until the first task has ended."""
    _meet()
    return 0


def _meet() -> None:
    """Wait for all tasks of the job (PMI-1); at once where there is nobody to ask."""
    descriptor = os.environ.get("PMI_FD")
    if descriptor is None or os.environ.get("PMI_SIZE", "1") == "1":
        return
    with (
        socket.socket(fileno=int(descriptor)) as exchange,
        exchange.makefile("rw", encoding="ascii", newline="\n") as lines,
    ):
        for request in ("cmd=init pmi_version=1 pmi_subversion=1", "cmd=barrier_in", "cmd=finalize"):
            lines.write(request + "\n")
            lines.flush()
            if not lines.readline():
                print("fluxplug broker: the job's exchange has gone", file=sys.stderr)
                return
