"""The command over the slow matcher, for run_cases.py and for trying things: `python slow_query.py OPTIONS...`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fluxplug_pool_graph.query import main
from slow import SlowMatcher

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], SlowMatcher))
