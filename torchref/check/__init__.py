"""Is this gradient right, and if not, what is wrong with it?"""

from torchref.check.api import assert_gradient, check
from torchref.check.blindness import lint
from torchref.check.probes import probe
from torchref.check.verdict import SLUGS, Finding, Verdict

__all__ = ["SLUGS", "Finding", "Verdict", "assert_gradient", "check", "lint", "probe"]
