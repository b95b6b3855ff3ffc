"""Rules for what a job inherits from its submitter: `--env` and `--rlimit`.

A rule takes away (`-PATTERN`), sets (`NAME=VALUE`) or takes over (`PATTERN`); they are applied in order. A pattern is a glob, or a regular
expression where it begins with `/` (a closing `/` may be left out). `apply_options` calls the two functions; command lines do not need them.
"""

from __future__ import annotations

import os
import re
import resource
from typing import TYPE_CHECKING

from fluxplug.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Limits that are the site's or the host's business; `ofile` is another name of `nofile`.
_NOT_BY_DEFAULT = frozenset({"memlock", "ofile", "msgqueue", "nice", "rtprio", "rttime", "sigpending"})
_UNLIMITED = frozenset({"unlimited", "infinity", "inf"})
_LIMITS = {name[7:].lower(): getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")}
# `$$`, `$X` or `${X}`; anything else after a dollar sign is an error.
_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)\})?"
)
# Files of rules that name files of rules: more than this is a circle.
_MAX_FILES = 64


def environment_by_rules(
    rules: Iterable[str], environ: Mapping[str, str] | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """The environment of a job, and the variables that its shell is to expand, from `environ` (that of this process) and rules.

        -PATTERN     take matching variables away
        ^FILE        read rules from a file, a line each, but for blank lines and those that begin with `#`
        NAME=VALUE   set; `$X` and `${X}` stand for what X is so far, or was in `environ`, `$$` for a dollar sign. A value with `{{` is for
                     the shell to expand, as it stands
        PATTERN      take matching variables of `environ` over, but for those that are there

    The last rule about a name wins. Raises OptionError, which names the rule. Linear in the variables for each pattern.
    """
    if environ is None:
        environ = os.environ
    found = dict(environ)
    expand: dict[str, str] = {}
    for rule in _with_files(rules):
        if rule.startswith("-"):
            matches = _matcher(rule[1:], "--env", rule)
            for variables in (found, expand):
                for name in [name for name in variables if matches(name)]:
                    del variables[name]
        elif "=" in rule:
            name, _, value = rule.partition("=")
            if not name:
                raise OptionError("--env", None, f"expected NAME=VALUE in {rule}")
            if "{{" in value:
                expand[name] = value
            else:
                found[name] = _substitute(rule, value, found, environ)
                expand.pop(name, None)
        else:
            matches = _matcher(rule, "--env", rule)
            for name, value in environ.items():
                if name not in found and matches(name):
                    found[name] = value
    for variables in (found, expand):
        for name, value in variables.items():
            if not value.isascii() or not name.isascii():
                _check_text(name, value)
    return found, expand


def limits_by_rules(rules: Iterable[str]) -> dict[str, int]:
    """Soft limits by name (`nofile`), -1 for none, from those of this process and rules; a rule may be several, joined by commas.

        -PATTERN     take matching limits away
        NAME=VALUE   set, to a number or to unlimited, infinity or inf
        PATTERN      take matching limits over as they are, also those that are not by default: memlock, msgqueue, ...

    Raises OptionError for a name that this host does not know, and for a bad value.
    """
    found = {name: _current(number) for name, number in _LIMITS.items() if name not in _NOT_BY_DEFAULT}
    for rule in (part.strip() for given in rules for part in _text(given, "--rlimit").split(",")):
        if rule.startswith("-"):
            matches = _matcher(rule[1:].lower(), "--rlimit", rule)
            found = {name: limit for name, limit in found.items() if not matches(name)}
        elif "=" in rule:
            name, _, value = rule.partition("=")
            if name.lower() not in _LIMITS:
                known = ", ".join(_LIMITS)
                raise OptionError("--rlimit", rule, f'Invalid rlimit "{name}": expected one of {known}')
            found[name.lower()] = _limit(rule, value)
        elif rule:
            matches = _matcher(rule.lower(), "--rlimit", rule)
            taken = {name: _current(number) for name, number in _LIMITS.items() if matches(name)}
            if not taken:
                raise OptionError("--rlimit", rule, f'No corresponding rlimit matching "{rule}"')
            found.update(taken)
    return found


def _text(given: object, option: str) -> str:
    if not isinstance(given, str):
        raise OptionError(option, repr(given), "expected a string")
    return given


def _with_files(rules: Iterable[str]) -> Iterator[str]:
    """The rules, those in files in place of the file's name."""
    waiting = [_text(rule, "--env") for rule in rules][::-1]
    files = 0
    while waiting:
        rule = waiting.pop()
        if not rule.startswith("^"):
            yield rule
            continue
        files += 1
        if files > _MAX_FILES:
            raise OptionError("--env", rule, f"more than {_MAX_FILES} files of rules: does one name itself?")
        try:
            with open(os.path.expanduser(rule[1:]), encoding="utf-8") as file:  # noqa: PTH111, PTH123 - pathlib is slow to import
                lines = [line.strip() for line in file]
        except OSError as error:
            raise OptionError("--env", rule, error.strerror or str(error)) from error
        except ValueError as error:
            raise OptionError("--env", rule, f"not a UTF-8 file: {error}") from error
        waiting += [line for line in lines[::-1] if line and not line.startswith("#")]


def _matcher(pattern: str, option: str, rule: str) -> Callable[[str], object]:
    if pattern == "*":
        return lambda _: True
    if pattern.startswith("/"):
        try:
            return re.compile(pattern[1:].removesuffix("/")).match
        except re.error as error:
            raise OptionError(option, rule, f"not a regular expression: {error}") from error
    import fnmatch  # noqa: PLC0415 - few rules are globs

    return re.compile(fnmatch.translate(pattern)).match


def _substitute(rule: str, value: str, found: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if "$" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["bare"] or match["braced"]
        if name is None:
            raise OptionError(
                "--env", None, f"Unable to substitute {rule}: write $NAME, ${{NAME}}, or $$ for a dollar sign"
            )
        known = found if name in found else environ
        if name not in known:
            raise OptionError("--env", None, f"Variable {name!r} not found in {rule}")
        return known[name]

    return _REFERENCE.sub(replace, value)


def _check_text(name: str, value: str) -> None:
    """Half a surrogate pair is how Python shows bytes that are not UTF-8, and no document can hold it."""
    try:
        f"{name}{value}".encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="backslashreplace").decode()
        raise OptionError(
            "--env", None, f"{shown} is not UTF-8, and no jobspec can hold it: add --env=-{shown}"
        ) from None


def _current(number: int) -> int:
    soft = resource.getrlimit(number)[0]
    return -1 if soft == resource.RLIM_INFINITY else soft


def _limit(rule: str, value: str) -> int:
    if value.lower() in _UNLIMITED:
        return -1
    try:
        number = int(value)
    except ValueError:
        number = -2
    if not -1 <= number < 2**64:
        raise OptionError("--rlimit", rule, f"Invalid value in {rule}: expected a number, or unlimited")
    return number
