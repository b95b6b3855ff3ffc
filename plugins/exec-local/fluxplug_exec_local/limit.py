"""How much output a job of several hosts may log: `output.limit` is the job's, and each agent knows of its own host only.

Counted in the server, which keeps no count across its restarts: after one, a job may log as much again. A job of one host needs none of this.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from fluxplug_exec_local import options as shell_options


class OutputLimit:
    """Of one job, from its jobspec."""

    __slots__ = ("_left", "_most")

    def __init__(self, jobspec: dict[str, Any]) -> None:
        system = (jobspec.get("attributes") or {}).get("system") or {}
        try:
            self._most = shell_options.output_limit((system.get("shell") or {}).get("options") or {})
        except ValueError:  # the job will not start
            self._most = shell_options.DEFAULT_OUTPUT_LIMIT
        self._left: dict[str, int] = {}

    def cut(self, context: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        """What may be logged of a `data` entry, None for nothing; and what is to be said about that, once a stream."""
        text = context.get("data")
        if text is None:
            return context, ""
        stream = context["stream"]
        left = self._left.get(stream, self._most)
        if left < 0:
            return ({key: context[key] for key in context if key != "data"} if "eof" in context else None), ""
        data = b64decode(text) if "encoding" in context else text.encode()
        self._left[stream] = left - len(data)
        if left >= len(data):
            return context, ""
        self._left[stream] = -1
        kept = data[:left]
        said = shell_options.limit_text(stream, self._most)
        if not kept:
            return None, said
        if "encoding" in context:
            return context | {"data": b64encode(kept).decode()}, said
        return context | {"data": kept.decode(errors="ignore")}, said
