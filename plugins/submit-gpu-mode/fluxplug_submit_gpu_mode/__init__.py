"""`--gpu-mode`: the mode of the GPUs of a job, as an attribute that a prolog on its nodes reads.

A submission plugin: found through the entry point group `fluxplug.cli.plugins`. It imports next to nothing, because every
`fluxplug submit` waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.cli.plugin import CLIPlugin

if TYPE_CHECKING:
    from fluxplug.jobspec.model import Jobspec

MODES = ("SPX", "TPX", "CPX")
ATTRIBUTE = "gpu-mode"


class GpuMode(CLIPlugin):
    """Split the GPUs of a job's nodes.

    SPX leaves each GPU in one piece; TPX makes three of it, CPX one for each of its compute dies. The mode is that of all GPUs of a node,
    so the job gets whole nodes: say how many (-N), and how many GPUs a task has (--gpus-per-task).
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, prefix="gpu")
        self.add_option(
            "--mode",
            metavar="MODE",
            type=str.upper,
            choices=MODES,
            help=f"split the GPUs: {', '.join(MODES)}; takes whole nodes",
        )

    def modify_jobspec(self, args: Any, jobspec: Jobspec) -> None:
        if args.mode is None:
            return
        jobspec.setattr(ATTRIBUTE, args.mode)
        for vertex in jobspec:
            if vertex["type"] == "node":
                vertex["exclusive"] = True
        check(jobspec, "--gpu-mode")

    def validate(self, jobspec: Jobspec) -> None:
        mode = jobspec.attributes.get("system", {}).get(ATTRIBUTE)
        if mode is None:
            return
        if mode not in MODES:
            raise ValueError(f"{ATTRIBUTE} {mode!r} is not one of {', '.join(MODES)}")
        check(jobspec, ATTRIBUTE)


def check(jobspec: Jobspec, what: str) -> None:
    """A job with a mode asks for whole nodes, and for GPUs. Raises ValueError."""
    counts = jobspec.resource_counts()
    if not counts["gpu"]:
        raise ValueError(f"{what} is for jobs with GPUs: ask for some, like --gpus-per-task=1")
    if not all(vertex.get("exclusive") for vertex in jobspec if vertex["type"] == "node") or not counts["node"]:
        raise ValueError(f"{what} is that of whole nodes: say how many, like --nodes=1 --exclusive")
