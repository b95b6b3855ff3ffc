"""`python -m fluxplug`: the command line."""

import sys

from fluxplug.cli.main import main

sys.exit(main())
