"""The command over the matcher in C, for run_cases.py and for trying things: `python native_query.py OPTIONS...`."""

import sys

from fluxplug_pool_graph.native import CMatcher
from fluxplug_pool_graph.query import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], CMatcher))
