"""Checked parts that the factories of `v1` put together: counts, words, resources, configurations, scripts.

Each function raises DocumentError or its kind for what a user got wrong, in Flux's words where Flux has any.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fluxplug.errors import DocumentError, DocumentTypeError

if TYPE_CHECKING:
    from fluxplug.jobspec.batchconfig import BatchConfig
    from fluxplug.jobspec.model import Vertex


def at_least(least: int, value: Any, message: str) -> None:
    """Raise DocumentError with that message for what is no integer, or too small."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise DocumentError("", message)


def words_of(given: Iterable[str], name: str) -> list[str]:
    """A list of words. DocumentTypeError for a single text; that each word is one is checked with the jobspec."""
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise DocumentTypeError("", f"{name} must be a list of strings")
    return list(given)


def mapping_of(given: Any, name: str) -> dict[str, Any]:
    """A mapping as a dict, which is kept as it is. DocumentError for anything else."""
    if not isinstance(given, Mapping):
        raise DocumentError("", f"{name} must be a mapping")
    return given if isinstance(given, dict) else dict(given)


def resources_of(slots: int, cores: int, gpus: int | None, nodes: int | None, exclusive: bool) -> list[Vertex]:
    """`slots` slots of so many cores and GPUs, on each of `nodes` nodes if set."""
    held = [{"type": "core", "count": cores}]
    if gpus:
        held.append({"type": "gpu", "count": gpus})
    slot: Vertex = {"type": "slot", "count": slots, "with": held, "label": "task"}
    if nodes is None:
        if exclusive:
            raise DocumentError("", "exclusive can only be set with a node count")
        return [slot]
    node: Vertex = {"type": "node", "count": nodes}
    if exclusive:
        node["exclusive"] = True
    node["with"] = [slot]
    return [node]


def broker_config(conf: dict[str, Any] | str | BatchConfig | None) -> dict[str, Any] | None:
    """The configuration that a mapping, a BatchConfig or a text for one means. OptionError for a bad text."""
    if conf is None or isinstance(conf, dict):
        return conf
    from fluxplug.jobspec.batchconfig import BatchConfig  # noqa: PLC0415 - few jobs are instances with a configuration

    return (conf if isinstance(conf, BatchConfig) else BatchConfig().update(conf)).config


def read_script(path: str | os.PathLike[str]) -> str:
    """The text of a file, line ends and all. OSError, and DocumentError for what is not UTF-8."""
    try:
        with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123 - pathlib is slow to import
            return file.read()
    except UnicodeDecodeError as error:
        raise DocumentError("", f"{os.fspath(path)}: a script must be UTF-8: {error}") from error
