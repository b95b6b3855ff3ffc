"""Show figures of the instance: its jobs by state, its scheduling passes, its store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fluxplug.cli.live import add_uri, connect

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--metrics", action="store_true", help="print the text format of Prometheus")
    add_uri(parser)


def run(args: Namespace) -> int:
    client = connect(args)
    if args.metrics:
        print(client.get("/metrics"), end="")
        return 0
    found = client.get("/v1/stats")
    if args.json:
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        if isinstance(value, dict):
            for name, number in value.items():
                print(f"{key}.{name:<{24 - len(key)}} {_shown(number)}")
        else:
            print(f"{key:<25} {_shown(value)}")
    return 0


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
