"""All benchmarks: each against a peer or a bound, as a ratio, on stated input. `make bench`, or python bench/run.py [NAME ...].

pool         Rv1Pool: allocations a second, and the time to build one
simulation   jobs a second from a log to a schedule
passes       the cost of an event while many jobs wait that it cannot help
memory       the peak of a long simulation
jobspec      making and checking jobspecs
graph_load   10,000 nodes from JGF: time and peak memory
graph_match  matches a second in the resource graph, as a pool
graph_query  the same in resource-query, as a whole process
instance     a live instance: real and pretended jobs, submissions, listings
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
from pathlib import Path

NAMES = ("pool", "simulation", "passes", "memory", "jobspec", "graph_load", "graph_match", "graph_query", "instance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller inputs, less time: to see that they run")
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON too")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    print(f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()}")
    results = {}
    for name in args.names or NAMES:
        module = importlib.import_module(name)
        print(f"\n{name}: {module.__doc__.splitlines()[0]}")
        results[name] = module.measure(quick=args.quick)
        module.show(results[name])
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
