"""The packaged submission plugin `shape`: resources as a shape (RFC 46) or as a JSON file, instead of counts.

Last in loading order, so that a site's own `--resources-shape` comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluxplug.cli.plugin import CLIPlugin
from fluxplug.errors import OptionError

if TYPE_CHECKING:
    from fluxplug.jobspec.model import Jobspec


class ResourcesShape(CLIPlugin):
    """Ask for resources by their shape: nodes, slots, and what a slot holds.

        fluxplug submit --resources-shape=slot=2/core=4 COMMAND            2 tasks of 4 cores
        fluxplug submit --resources-shape='node=2/slot=4/[core=3;gpu=1]' COMMAND
        fluxplug submit --resources-json=FILE COMMAND

    The file has the `resources` of a jobspec (RFC 14): a list of vertices, or an object with the key `resources`. Either replaces what
    options such as --ntasks and --nodes ask for; only one of the two can be given.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, prefix="resources")
        if self.prog != "validate":
            self.add_option("--shape", metavar="SHAPE", help="resources as a shape (RFC 46), e.g. node=2/slot=4/core=3")
            self.add_option("--json", metavar="FILE", help="resources as in a jobspec (RFC 14), from a JSON file")

    def preinit(self, args: Any) -> None:
        if args.shape is not None and args.json is not None:
            raise OptionError("--resources-json", None, "cannot be given together with --resources-shape")
        given = args.shape is not None or args.json is not None
        if given and self.prog in ("batch", "alloc") and not args.nslots and not args.nodes:
            args.nslots = 1  # a number of slots is asked for, and means nothing here

    def modify_jobspec(self, args: Any, jobspec: Jobspec) -> None:
        if args.shape is not None and args.json is not None:  # keyword arguments may come without preinit
            raise OptionError("--resources-json", None, "cannot be given together with --resources-shape")
        if args.shape is not None:
            from fluxplug.jobspec.shape import ShapeParser  # noqa: PLC0415 - every submission pays for imports

            try:
                jobspec.jobspec["resources"] = ShapeParser().parse(args.shape)
            except ValueError as error:
                raise OptionError("--resources-shape", args.shape, str(error)) from None
        elif args.json is not None:
            jobspec.jobspec["resources"] = _read(args.json)


def _read(name: str) -> list[dict[str, Any]]:
    from fluxplug.jobspec.document import load_document  # noqa: PLC0415

    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib is slower to import than this is to write
            found = load_document(file)
    except OSError as error:
        raise OptionError("--resources-json", name, str(error.strerror)) from None
    except ValueError as error:
        raise OptionError("--resources-json", name, str(error)) from None
    if isinstance(found, dict):
        found = found.get("resources")
    if not isinstance(found, list):
        raise OptionError(
            "--resources-json", name, "expected a list of resources, or an object with the key 'resources'"
        )
    return found
