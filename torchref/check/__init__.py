"""Is this gradient right, and if not, what is wrong with it?"""

from torchref.check.api import assert_gradient, check
from torchref.check.ops.lint import lint
from torchref.check.ops.probe import probe
from torchref.check.report.verdict import SLUGS, Finding, Verdict

__all__ = ["SLUGS", "Finding", "Verdict", "assert_gradient", "check", "lint", "probe"]
