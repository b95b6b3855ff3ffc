"""Change the jobspec of an active job: `duration=2h`, `duration=+30m`, and of a pending one `queue=NAME`.

A key that does not begin with attributes., tasks. or resources is one of attributes.system. All changes are made, or none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fluxplug.cli.live import CommandUsageError, add_uri, connect, path_of

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from fluxplug.client import Client

_DURATION, _QUEUE = "attributes.system.duration", "attributes.system.queue"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="JOBID", help="the job")
    parser.add_argument("updates", nargs="+", metavar="KEY=VALUE", help="what to change")
    parser.add_argument("-n", "--dry-run", action="store_true", help="print the changes as JSON, and make none")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="print the changes")
    parser.add_argument("--wait", action="store_true", help="accepted as in Flux: the command always waits")
    add_uri(parser)


def run(args: Namespace) -> int:
    path = path_of(args.id)
    client = connect(args)
    updates: dict[str, Any] = {}
    for text in args.updates:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CommandUsageError(f"{text!r}: expected KEY=VALUE")
        key = _full(key)
        if key == _DURATION:
            updates[key] = _duration(client, path, value)
        else:
            updates[key] = value if key == _QUEUE else _value(value)
    if args.dry_run or args.verbose:
        print(json.dumps(updates, ensure_ascii=False))
    if not args.dry_run:
        client.post(f"{path}/update", {"updates": updates})
    return 0


def _full(key: str) -> str:
    if key == "name":
        return "attributes.system.job.name"
    return key if key.startswith(("attributes.", "tasks.", "resources")) else f"attributes.system.{key}"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _duration(client: Client, path: str, text: str) -> float:
    """Seconds; `+` and `-` change the present limit."""
    from fluxplug.values.duration import parse_fsd  # noqa: PLC0415

    sign = text[:1] if text[:1] in ("+", "-") else ""
    try:
        seconds = parse_fsd(text.removeprefix(sign))
    except ValueError as error:
        raise CommandUsageError(f"duration={text}: {error}") from None
    if sign:
        now = client.get(path)["job"].get("duration", 0.0)
        if not now:
            raise CommandUsageError(f"duration={text}: the job has no time limit to change")
        seconds = now + seconds if sign == "+" else now - seconds
        if seconds <= 0:
            raise CommandUsageError(f"duration={text}: leaves nothing of {now:g} s")
    return seconds
