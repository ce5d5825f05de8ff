"""python -m torchref.check FILE.py:NAME --against OP"""

import sys

from torchref.check.command import main

sys.exit(main())
