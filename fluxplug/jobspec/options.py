"""The options that all submission commands share, and how they change a jobspec: the grammar behind `JobspecV1.apply_options`.

Each option has a function here from its text to what the jobspec holds; `apply_options` reads them all, then sets them, then lets submission
plugins have their say. It knows nothing of argument parsers, but takes the namespace that one makes. Rules for the environment and for limits
are `rules`'.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from fluxplug.errors import DocumentError, OptionError, ParseError
from fluxplug.jobspec.document import check_plain
from fluxplug.jobspec.model import file_entry, seconds_of
from fluxplug.values.duration import parse_fsd

if TYPE_CHECKING:
    from fluxplug.jobspec.v1 import JobspecV1

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# Values of dependency options that become numbers; longer integers stay texts, for JSON's sake.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# The warning time of --signal=USR1.
_SIGNAL_SECONDS = 60
# What a namespace may have besides what keywords can say: the command line's form of shell_options and attributes.
_TEXTS = ("setopt", "setattr")


def apply_options(
    jobspec: JobspecV1,
    args: Any,
    prog: str | None,
    given: Mapping[str, Any],
    extra: Mapping[str, Any],
    *,
    preinit: bool = True,
) -> None:
    """The work of `JobspecV1.apply_options`: `given` are its options, `extra` those of plugins.

    An option that cannot be read or set leaves the jobspec as it was; a plugin that fails may leave its part of the work behind.
    """
    registry = None
    if prog is not None:
        from fluxplug.cli.plugin import CLIPluginRegistry  # noqa: PLC0415 - it sits above: see tests/test_layout.py

        registry = CLIPluginRegistry(prog)
    dests = {option.dest for option in registry.options} if registry is not None else set()
    unknown = ", ".join(repr(name) for name in extra if name not in dests)
    if unknown:
        raise TypeError(f"apply_options() got unexpected keyword argument(s): {unknown}")

    values = {name: getattr(args, name, None) if value is None else value for name, value in given.items()}
    values.update((name, getattr(args, name, None)) for name in _TEXTS)
    if args is not None:
        values["env"] = values["env"] or ()
        values["rlimit"] = values["rlimit"] or ()
    settings = _settings(values)
    files = {} if values["add_file"] is None else _files(values["add_file"])

    if settings or files:
        _set(jobspec, settings, files)
    if registry is not None:
        namespace = _namespace(args, given, extra, registry.options)
        if preinit:
            registry.preinit(namespace)
        registry.modify_jobspec(namespace, jobspec)


def _set(jobspec: JobspecV1, settings: list[tuple[str, Any]], files: dict[str, dict[str, Any]]) -> None:
    """Set all or nothing."""
    before = _mappings(jobspec.attributes)
    try:
        for key, value in settings:
            jobspec.setattr(key, value)
        for name, entry in files.items():
            jobspec.set_file(name, entry)
    except DocumentError:  # a key leads through what is no mapping
        jobspec.attributes.clear()
        jobspec.attributes.update(before)
        raise


def _settings(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Dotted attributes and what they are set to, in the order in which that happens."""
    settings: list[tuple[str, Any]] = []

    def option(key: str, value: Any) -> None:
        settings.append((f"attributes.system.shell.options.{key}", value))

    if values["env"] is not None or values["rlimit"] is not None:
        from fluxplug.jobspec.rules import environment_by_rules, limits_by_rules  # noqa: PLC0415 - only where it is asked for

        if values["env"] is not None:
            environment, expand = environment_by_rules(_listed("--env", values["env"]))
            settings.append(("attributes.system.environment", environment))
            if expand:
                option("env-expand", expand)
        if values["rlimit"] is not None:
            limits = limits_by_rules(_listed("--rlimit", values["rlimit"]))
            if limits:
                option("rlimit", limits)
    if values["signal"] is not None:
        option("signal", parse_signal(values["signal"]))
    if values["taskmap"] is not None:
        option("taskmap", parse_taskmap(values["taskmap"]))
    if values["dependency"]:
        found = [parse_dependency(uri) for uri in _listed("--dependency", values["dependency"])]
        settings.append(("attributes.system.dependencies", found))
    if values["requires"]:
        settings.append(("attributes.system.constraints", _parse_requires(_listed("--requires", values["requires"]))))
    for key, value in [parse_key_value("--setopt", text) for text in _listed("--setopt", values["setopt"] or ())]:
        option(key, value)
    for key, value in _items("shell_options", values["shell_options"]):
        option(key, value)
    if values["time_limit"] is not None:
        settings.append(("attributes.system.duration", _parse_time_limit(values["time_limit"])))
    named = [parse_key_value("--setattr", text) for text in _listed("--setattr", values["setattr"] or ())]
    named += _items("attributes", values["attributes"])
    settings += [(f"attributes{key}" if key.startswith(".") else key, value) for key, value in named]
    return settings


# One function an option


def parse_signal(text: str) -> dict[str, int | float]:
    """`[SIGNAL][@TIME]`, by default SIGUSR1 and 60 s: the shell option `signal`. TIME is in seconds, or has a unit."""
    name, _, time = _checked("--signal", text).partition("@")
    signum = _signum(text, name.strip()) if name else _signum(text, "USR1")
    if not time:
        return {"signum": signum, "timeleft": _SIGNAL_SECONDS}
    try:
        # A negative number is taken, as in Flux; what has a unit is a duration.
        timeleft = float(time) if _NUMBER.fullmatch(time) else parse_fsd(time)
    except ParseError as error:
        raise OptionError("--signal", text, f"invalid time after @: {error.reason}") from error
    if not math.isfinite(timeleft):
        raise OptionError("--signal", text, "the time after @ must be finite")
    return {"signum": signum, "timeleft": timeleft}


def _signum(text: str, name: str) -> int:
    import signal  # noqa: PLC0415 - only where it is asked for

    if _INTEGER.fullmatch(name):
        if int(name) <= 0:
            raise OptionError("--signal", text, "signal must be > 0")
        if int(name) >= signal.NSIG:
            raise OptionError("--signal", text, f"signal must be < {signal.NSIG}")
        return int(name)
    found = getattr(signal.Signals, "SIG" + name.upper().removeprefix("SIG"), None)
    if found is None:
        raise OptionError("--signal", text, f"signal {name!r} is invalid: expected [SIGNAL][@TIME], such as USR1@30s")
    return int(found)


def parse_taskmap(text: str) -> dict[str, str]:
    """`SCHEME[:VALUE]`: the shell option `taskmap`. What VALUE means is the scheme's business."""
    scheme, _, value = _checked("--taskmap", text).partition(":")
    if not scheme:
        raise OptionError("--taskmap", text, "expected SCHEME[:VALUE], such as cyclic:2")
    return {"scheme": scheme, "value": value}


def parse_dependency(uri: str) -> dict[str, Any]:
    """`SCHEME[:VALUE][?KEY=VALUE[&...]]` (RFC 26): an entry of `dependencies`.

    Options that are numbers become numbers, those given more than once lists; what follows `#` is dropped, and a key without a value.
    """
    head, _, query = _checked("--dependency", uri).partition("#")[0].partition("?")
    scheme, _, value = head.partition(":")
    if not _SCHEME.fullmatch(scheme):
        raise OptionError(
            "--dependency", None, f'Invalid dependency URI "{uri}": expected SCHEME:VALUE, such as afterok:JOBID'
        )
    entry: dict[str, Any] = {"scheme": scheme.lower(), "value": value}
    if entry["scheme"] == "after":
        import logging  # noqa: PLC0415 - few need it

        logging.getLogger("fluxplug").warning("dependency scheme 'after' is deprecated, use 'afterstart'")
    if query:
        from urllib.parse import parse_qs  # noqa: PLC0415 - slow to import, and few dependencies have options

        for key, texts in parse_qs(query).items():
            if key in ("scheme", "value"):
                raise OptionError("--dependency", uri, f"{key!r} cannot be an option")
            found = [_number_or_text(text) for text in texts]
            entry[key] = found if len(found) > 1 else found[0]
    return entry


def _number_or_text(text: str) -> int | float | str:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and not text.lstrip("+-").isdigit() and math.isfinite(float(text)):
        return float(text)
    return text


def _parse_requires(texts: list[str]) -> dict[str, Any]:
    from fluxplug.jobspec.query import parse_requires  # noqa: PLC0415 - few jobs have constraints

    text = " ".join(_checked("--requires", text) for text in texts)
    try:
        return parse_requires(text)
    except ParseError as error:
        raise OptionError("--requires", repr(text), str(error)) from error


def _parse_time_limit(limit: Any) -> float:
    try:
        return seconds_of(limit)
    except TypeError:
        raise
    except (DocumentError, ParseError) as error:
        expected = "expected seconds, or a number with a unit (ms s m h d)"
        raise OptionError("--time-limit", str(limit), f"{error.reason}: {expected}") from error


def parse_key_value(option: str, text: str) -> tuple[str, Any]:
    """`KEY[=VALUE]`, or `^KEY=FILE` for JSON from a file: the key and its value.

    A VALUE that is JSON is what it says, any other is a text, and none is 1. `option` is for the error.
    """
    key, equals, value = _checked(option, text).partition("=")
    from_file = key.startswith("^")
    if from_file:
        key = key[1:]
    if not all(key.removeprefix(".").split(".")):
        raise OptionError(option, text, "expected KEY[=VALUE]; dots part the names in KEY")
    if from_file:
        if not value:
            raise OptionError(option, text, "expected ^KEY=FILE")
        return key, _json_file(option, text, value)
    if not equals:
        return key, 1
    try:
        return key, _json(value)
    except RecursionError:
        raise OptionError(option, text, "nested too deep") from None
    except ValueError:
        return key, value


def _json_file(option: str, text: str, name: str) -> Any:
    try:
        with open(os.path.expanduser(name), encoding="utf-8") as file:  # noqa: PTH111, PTH123 - pathlib is slow to import
            return _json(file.read())
    except OSError as error:
        raise OptionError(option, text, error.strerror or str(error)) from error
    except RecursionError:
        raise OptionError(option, text, f"{name} is nested too deep") from None
    except ValueError as error:
        raise OptionError(option, text, f"{name} is not JSON: {error}") from error


def _json(text: str) -> Any:
    """What JSON says, where the document that it goes into can hold it. Raises ValueError, RecursionError."""
    value = json.loads(text, parse_constant=_refuse_constant)
    check_plain(value, "")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _items(option: str, values: Any) -> list[tuple[str, Any]]:
    """The items of a mapping of dotted keys to plain values."""
    if values is None:
        return []
    if not hasattr(values, "items"):
        raise OptionError(option, None, f"expected a mapping, not {type(values).__name__}")
    for key, value in values.items():
        if not isinstance(key, str) or not all(key.removeprefix(".").split(".")):
            raise OptionError(option, None, f"expected names, parted by dots, as keys, not {key!r}")
        check_plain(value, f"{option}[{key!r}]")
    return list(values.items())


def _files(entries: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The files that `--add-file` attaches, by name."""
    files = {}
    # A bare text is taken character by character, as in Flux; the error says what was meant.
    for text in list(entries) if isinstance(entries, str) else _listed("--add-file", entries):
        try:
            name, entry = parse_file(text)
        except OptionError as error:
            if isinstance(entries, str) and len(entries) > 1:
                raise OptionError(
                    "--add-file", error.value, f"{error.reason} (add_file takes a list of strings)"
                ) from error
            raise
        files[name] = entry
    return files


def parse_file(text: str) -> tuple[str, dict[str, Any]]:
    r"""`[NAME[:PERMISSIONS]=]PATH`, or `NAME[:PERMISSIONS]=TEXT` for a TEXT with newlines, real ones or written `\n`: a name and its file.

    PERMISSIONS are octal. The file at PATH is read now, and is called what it is called there if there is no NAME.
    """
    name, equals, source = _checked("--add-file", text).partition("=")
    perms = None
    if not equals:
        name, source = os.path.basename(text), text  # noqa: PTH119 - pathlib is slow to import
    elif ":" in name:
        name, _, octal = name.rpartition(":")
        if not re.fullmatch("[0-7]{1,5}", octal):
            raise OptionError(
                "--add-file", text, f"invalid permissions {octal!r}: expected an octal number, such as 0755"
            )
        perms = int(octal, 8)
    if not name or "\n" in name:
        raise OptionError("--add-file", text, "expected NAME=PATH, NAME=TEXT or PATH")
    data = source.replace("\\n", "\n")
    try:
        return name, file_entry(name, data if "\n" in data else source, perms)
    except OSError as error:
        raise OptionError("--add-file", text, str(error)) from error
    except ValueError as error:  # a NUL byte in the name
        raise OptionError("--add-file", text, f"cannot be read: {error}") from error


# Values and namespaces


def _checked(option: str, text: Any) -> str:
    if not isinstance(text, str):
        raise OptionError(option, repr(text), f"expected a string, not {type(text).__name__}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise OptionError(option, text, "not UTF-8, and no jobspec can hold it") from None
    return text


def _listed(option: str, value: Any) -> list[Any]:
    """The texts of an option that may be given more than once; one text stands for itself."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise OptionError(option, None, f"expected a list of strings, not {type(value).__name__}")
    return list(value)


def _mappings(value: dict[str, Any]) -> dict[str, Any]:
    """A copy of the mappings alone."""
    copied = value.copy()
    for key, child in value.items():
        if type(child) is dict:
            copied[key] = _mappings(child)
    return copied


def _namespace(args: Any, given: Mapping[str, Any], extra: Mapping[str, Any], options: Iterable[Any]) -> Any:
    """What plugins get: `args` itself, or one made of the keywords; with every option that a plugin may ask for."""
    overrides = {name: value for name, value in {**given, **extra}.items() if value is not None}
    if args is None:
        import argparse  # noqa: PLC0415 - only plugins want one

        args = argparse.Namespace(**given)
    elif overrides:
        import copy  # noqa: PLC0415 - few callers do both

        args = copy.copy(args)
    for name, value in overrides.items():
        setattr(args, name, value)
    for option in options:
        if not hasattr(args, option.dest):
            setattr(args, option.dest, option.default)
    return args
