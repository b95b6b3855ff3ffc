"""What the commands that ask an instance have in common: where it is, job ids, users, colours, and their errors.

Not a command. It imports next to nothing, since every command pays for it.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from fluxplug.errors import FluxplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fluxplug.client import Client
    from fluxplug.values.jobid import JobID

    Run = Callable[[argparse.Namespace], int]

ACTIVE = ("pending", "running")
_URI = "where the instance is (default: FLUXPLUG_URI)"


class CommandError(FluxplugError):
    """What a command cannot do, as one line. Exit code 1."""

    exit_code = 1


class CommandUsageError(CommandError):
    """Options or arguments that do not go together. Exit code 2."""

    exit_code = 2


def add_uri(parser: argparse.ArgumentParser) -> None:
    """The option `--uri`."""
    parser.add_argument("--uri", metavar="URI", help=_URI)


def connect(args: argparse.Namespace, **more: Any) -> Client:
    """A client of the instance of `--uri`, or of the one that the environment names. Raises ConnectionFailedError."""
    from fluxplug.client import Client  # noqa: PLC0415 - `--help` starts without

    return Client(args.uri, **more)


class ActionParser(argparse.ArgumentParser):
    """The parser of an action. Words after `--` go to the argument `rest`, if that is set, as a list."""

    rest = ""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """See ArgumentParser."""
        words = list(args or ())
        if not self.rest:
            return super().parse_known_args(words, namespace)
        at = words.index("--") if "--" in words else len(words)
        found, unknown = super().parse_known_args(words[:at], namespace)
        setattr(found, self.rest, words[at + 1 :])
        return found, unknown


class Actions:
    """The actions of a command, each with its parser and the function that does it: `fluxplug job kill`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        add_uri(parser)
        self._parsers = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=ActionParser)

    def add(self, name: str, run: Run, text: str, description: str = "") -> ActionParser:
        """Add an action; `text` is its line in the help of the command."""
        description = description or f"{text[0].upper()}{text[1:]}."
        parser = self._parsers.add_parser(name, help=text, description=description, allow_abbrev=False)
        parser.add_argument("--uri", metavar="URI", default=argparse.SUPPRESS, help=_URI)
        parser.set_defaults(do=run)
        return parser


def jobid(text: str) -> JobID:
    """A job id in any form of RFC 19. Raises CommandError."""
    from fluxplug.values.jobid import JobID  # noqa: PLC0415

    try:
        return JobID(text)
    except ValueError:
        raise CommandError(f"invalid JobID value: {text!r}") from None


def path_of(text: str | int) -> str:
    """The API's path of a job. Raises CommandError."""
    return f"/v1/jobs/{int(jobid(text) if isinstance(text, str) else text)}"


def userid(text: str) -> int:
    """A user by name or number; -1 for `all`. Raises CommandError."""
    if text == "all":
        return -1
    if text.isdecimal():
        return int(text)
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError):
        raise CommandError(f"no such user: {text!r}") from None


def signal_number(text: str) -> int:
    """A signal by number or name (`TERM`, `SIGTERM`). Raises CommandUsageError."""
    import signal  # noqa: PLC0415

    name = text.upper()
    if text.isdecimal():
        number = int(text)
    else:
        found = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
        number = int(found) if isinstance(found, signal.Signals) else 0
    if not 1 <= number <= 64:
        raise CommandUsageError(f"no such signal: {text!r}")
    return number


def duration(text: str) -> float:
    """Seconds, for argparse."""
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415

    try:
        return parse_fsd(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a duration such as 90, 1.5m or 2h, not {text!r}") from None


def natural(text: str) -> int:
    """A whole number, 0 or more, for argparse."""
    if not text.isdecimal() or len(text) > 15:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, not {text!r}")
    return int(text)


def add_color(parser: argparse._ActionsContainer) -> None:
    """The option `--color`."""
    parser.add_argument(
        "--color",
        nargs="?",
        const="always",
        default="auto",
        choices=("auto", "always", "never"),
        help="colours; auto: on a terminal, unless NO_COLOR is set",
    )


def wants_color(args: argparse.Namespace) -> bool:
    """Whether to print colours."""
    if args.color != "auto":
        return bool(args.color == "always")
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def words_of(text: str) -> list[str]:
    """The words of a comma-separated option."""
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines in one go."""
    text = "\n".join(lines)
    if text:
        sys.stdout.write(text + "\n")


def warn(command: str, text: str) -> None:
    """A line on standard error, as errors are."""
    print(f"fluxplug {command}: {text}", file=sys.stderr)


def text_of(error: FluxplugError) -> str:
    """What an instance said, without its errno."""
    return str(getattr(error, "strerror", None) or error)
