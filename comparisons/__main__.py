"""`python -m comparisons` is the `torchref` command."""

import sys

from comparisons.command_line import main

if __name__ == "__main__":
    sys.exit(main())
