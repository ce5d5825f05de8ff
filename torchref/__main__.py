"""`python -m torchref` is the `torchref` command."""

import sys

from torchref.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
