"""Every exception that fluxplug raises on purpose.

    FluxplugError
    ├── ParseError (ValueError)            a text that does not follow its grammar; knows the position
    ├── DocumentError (ValueError)         a jobspec, R or constraint that breaks its format; knows the path
    │   └── DocumentTypeError (TypeError)  the same, where a value has the wrong type
    ├── OptionError (ValueError)           a value of a submission option that breaks its grammar; knows the option
    ├── FormatError (ValueError)           an output format of a listing that cannot be used
    ├── ConfigError                        sched.toml or a command-line value; knows file, line and key
    ├── PluginError                        a plugin that cannot be found, loaded or trusted; names it
    ├── RefusedError                       a job that a site's rules keep out; the text is for its user
    ├── TraceError (ValueError)            a workload log that cannot be read; knows file and line
    ├── ApiError (OSError)                 what a live instance refused; an instance of the subclass that its errno has
    ├── ConnectionFailedError (OSError)    no live instance is reached, or what answers is none
    │   └── UnknownOutcomeError            the answer to a change was lost: it was made or it was not
    ├── ExecutorError (OSError)            an executor cannot tell what it was asked for
    ├── JobException                       an exception of a job, where what was waited for cannot happen any more
    ├── ReapiError                         a call of ReapiCli that failed; names the call
    └── ResourceError (OSError)            a pool said no
        ├── InsufficientResources          not now: retry when something has changed
        └── InfeasibleRequest              never, on this machine: the text says why

Anything else that escapes is a bug. Commands print these as one line and exit with 2; only a bug shows a traceback.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class FluxplugError(Exception):
    """Base of all errors that fluxplug raises on purpose."""


class ParseError(FluxplugError, ValueError):
    """A text that does not follow its grammar.

    `text` is the whole input, `position` the 0-based offset at which it stopped making sense, `reason` says what was
    expected there.
    """

    def __init__(self, reason: str, text: str, position: int = 0) -> None:
        shown = text if len(text) <= 80 else text[:77] + "..."
        super().__init__(f"{reason} at position {position} in {shown!r}")
        self.reason = reason
        self.text = text
        self.position = position


class DocumentError(FluxplugError, ValueError):
    """A document (jobspec, R, constraint) that breaks its format; `path` is like `resources[0].with[1].count`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class DocumentTypeError(DocumentError, TypeError):
    """A value of the wrong type in a document: `except DocumentError` has it too, and so has Flux's `except TypeError`."""


class OptionError(FluxplugError, ValueError):
    """A value of a submission option, from a command line or a keyword, that breaks the option's grammar.

    `option` is as the command line spells it (`--signal`); `value` is the text given, None where `reason` quotes it.
    """

    def __init__(self, option: str, value: str | None, reason: str) -> None:
        shown = "" if value is None else f"={value if value.isprintable() and len(value) <= 80 else repr(value[:80])}"
        super().__init__(f"{option}{shown}: {reason}")
        self.option = option
        self.value = value
        self.reason = reason


class FormatError(FluxplugError, ValueError):
    """An output format of a listing that cannot be used: no such name, field or sort key, or a broken specification."""


class ConfigError(FluxplugError):
    """A configuration that cannot be used. Its text is `FILE:LINE: KEY: what is wrong and what is accepted`."""


class PluginError(FluxplugError):
    """A plugin that cannot be found, loaded or trusted; the text names it and its distribution."""


class RefusedError(FluxplugError):
    """A job that must not be queued; the text is for its user."""


class TraceError(FluxplugError, ValueError):
    """A workload log that cannot be read; the text begins with `FILE:LINE:`."""


class ReapiError(FluxplugError):
    """A call of ReapiCli that failed and changed nothing; the text begins with the name of the call."""


class ApiError(FluxplugError, OSError):
    """What a live instance refused: `errno` and `strerror` are its own, `status` is that of HTTP (0: refused before it was sent).

    An instance is also one of the subclass of OSError that its errno has: `except FileNotFoundError` catches ENOENT.
    """

    def __new__(cls, code: int, text: str, *_: Any) -> ApiError:  # noqa: PYI034 - typing.Self needs 3.11
        return super().__new__(_with_errno(cls, code), code, text)

    def __init__(self, code: int, text: str, status: int = 0) -> None:
        super().__init__(code, text)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return ApiError, (self.errno, self.strerror, self.status)


class ConnectionFailedError(FluxplugError, OSError):
    """No live instance is reached, or what answers is none: an OSError with an errno, of its subclass, as ApiError is."""

    def __new__(cls, code: int, text: str) -> ConnectionFailedError:  # noqa: PYI034 - typing.Self needs 3.11
        return super().__new__(_with_errno(cls, code), code, text)

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)

    def __str__(self) -> str:
        return str(self.strerror)

    def __reduce__(self) -> tuple[Any, ...]:
        kind = UnknownOutcomeError if isinstance(self, UnknownOutcomeError) else ConnectionFailedError
        return kind, (self.errno, self.strerror)


class UnknownOutcomeError(ConnectionFailedError):
    """A request that changes something was sent and its answer lost: it was carried out or it was not."""


_T = TypeVar("_T", bound=OSError)


def _with_errno(cls: type[_T], code: int) -> type[_T]:
    """`cls`, derived also from the subclass of OSError that Python itself would raise for the errno."""
    kind = type(OSError(code, ""))
    if issubclass(cls, kind):
        return cls
    found: type[_T] = _derived.setdefault((cls, kind), type(cls.__name__, (cls, kind), {"__module__": cls.__module__}))
    return found


_derived: dict[tuple[type, type], Any] = {}


class JobException(FluxplugError):  # noqa: N818 - the name is Flux's
    """A fatal exception of a job, from its `exception` event, where what was waited for cannot happen any more."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        context = event.get("context") or {}
        self.timestamp: float = event.get("timestamp", 0.0)
        self.type: str = context.get("type", "")
        self.note: str = context.get("note", "")
        self.severity: int = context.get("severity", 0)
        super().__init__(f"job.exception: type={self.type}: {self.note}")
        self._event = event

    def __reduce__(self) -> tuple[Any, ...]:
        return JobException, (self._event,)


class ExecutorError(FluxplugError, OSError):
    """An executor cannot tell what it was asked for: `errno` says how, `strerror` why."""


class ResourceError(FluxplugError, OSError):
    """A pool said no."""


class InsufficientResources(ResourceError):  # noqa: N818 - the name is Flux's
    """Not now: the same request may succeed after something has changed."""

    def __init__(self, reason: str = "insufficient resources") -> None:
        super().__init__(errno.ENOSPC, reason)
        self.reason = reason


class InfeasibleRequest(ResourceError):  # noqa: N818 - the name is Flux's
    """Never on this machine, whatever ends or comes up; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EOVERFLOW, reason)
        self.reason = reason
