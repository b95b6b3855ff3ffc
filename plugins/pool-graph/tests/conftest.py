"""Makes the slow matcher importable as `slow`, for the tests here and for those of faster matchers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
