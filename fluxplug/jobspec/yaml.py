"""From YAML text to plain JSON values, by events, so that no recursion, tag or alias can do more than the limits of `document`.

Not the whole of YAML: no tags (`!!str` apart), merge keys or dates. `document` calls it for whatever is not JSON, and checks the length before.
"""

from __future__ import annotations

from typing import Any

import yaml
from attrs import define

from fluxplug.errors import DocumentError
from fluxplug.jobspec.document import MAX_NESTING, MAX_NODES

_YAML = "tag:yaml.org,2002:"


def load_yaml(text: str) -> Any:
    """The plain value of a YAML text. Raises DocumentError, also beyond MAX_NESTING levels or MAX_NODES values."""
    try:
        loader = yaml.SafeLoader(text)
        return _Builder(loader).build()
    except yaml.YAMLError as error:
        raise DocumentError("", "not YAML: " + " ".join(str(error).split())) from error
    except (ValueError, OverflowError) as error:  # PyYAML converts escapes and numbers without a check
        if isinstance(error, DocumentError):
            raise
        raise DocumentError("", f"not YAML: {error}") from error


@define
class _Open:
    """A container that is being filled."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    nodes: int = 1
    height: int = 1
    key: str | None = None  # a mapping's key that waits for its value


class _Builder:
    """Builds the value of the one document in a stream of YAML events."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.open = [_Open([], None)]  # the outermost holds the document
        self.anchors: dict[str, tuple[Any, int, int]] = {}  # value, nodes, height
        self.nodes = 0
        self.mark: Any = None

    def build(self) -> Any:
        outermost = self.open[0]
        while self.loader.check_event():
            event = self.loader.get_event()
            self.mark = event.start_mark
            if isinstance(event, yaml.ScalarEvent):
                self._add(self._scalar(event), 1, 1, event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                if event.anchor not in self.anchors:
                    raise self._error(f"alias {event.anchor!r} of nothing that is complete")
                value, nodes, height = self.anchors[event.anchor]
                self._add(value, nodes, height, None, alias=True)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._refuse_tag(event)
                self.open.append(_Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor))
                if len(self.open) > MAX_NESTING + 1:
                    raise self._error(f"nested deeper than {MAX_NESTING} levels")
            elif isinstance(event, yaml.CollectionEndEvent):
                done = self.open.pop()
                self._add(done.value, done.nodes, done.height, done.anchor)
            elif isinstance(event, yaml.DocumentStartEvent) and outermost.value:
                raise self._error("more than one document")
        if not outermost.value:
            raise DocumentError("", "an empty document")
        return outermost.value[0]  # type: ignore[index]

    def _add(self, child: Any, nodes: int, height: int, anchor: str | None, alias: bool = False) -> None:
        parent = self.open[-1]
        # What an anchored container holds was counted when it was read.
        self.nodes += nodes if alias else 1
        if self.nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} values")
        if len(self.open) - 1 + height > MAX_NESTING + 1:
            raise self._error(f"nested deeper than {MAX_NESTING} levels")
        if anchor is not None:
            self.anchors[anchor] = (child, nodes, height)
        parent.nodes += nodes
        parent.height = max(parent.height, height + 1)
        if alias:
            child = _copy(child)
        if isinstance(parent.value, list):
            parent.value.append(child)
        elif parent.key is not None:
            parent.value[parent.key] = child
            parent.key = None
        elif not isinstance(child, str):
            raise self._error("a key must be a string: put quotes around it")
        elif child in parent.value:
            raise self._error(f"key {child!r} is given twice")
        else:
            parent.key = child

    def _scalar(self, event: Any) -> Any:
        self._refuse_tag(event)
        if not event.implicit[0]:
            return event.value
        tag = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag == _YAML + "merge":
            raise self._error("merge keys (<<) are not understood")
        node = yaml.ScalarNode(tag, event.value)
        if tag == _YAML + "int":
            return self.loader.construct_yaml_int(node)
        if tag == _YAML + "float":
            return self.loader.construct_yaml_float(node)
        if tag == _YAML + "bool":
            return self.loader.construct_yaml_bool(node)
        return None if tag == _YAML + "null" else event.value

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in (None, "!", _YAML + "str", _YAML + "map", _YAML + "seq"):
            raise self._error(f"tag {event.tag!r} is not understood")

    def _error(self, reason: str) -> DocumentError:
        return DocumentError("", f"{reason} (line {self.mark.line + 1}, column {self.mark.column + 1})")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(child) for key, child in value.items()}
    return [_copy(child) for child in value] if isinstance(value, list) else value
