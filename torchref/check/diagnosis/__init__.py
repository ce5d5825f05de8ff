"""Run a user's code on probes, compare, and name what is wrong.

The order: does it run, and in which convention; is the forward right; what a gradient must keep (shape, dtype, finite,
nothing changed, the same twice, linear in the upstream gradient); the wrong formulas of the operation; signatures that
need no formula. Whatever fits is confirmed on a second probe. What fits nothing is "unknown".
"""

from torchref.check.diagnosis.readings import diagnose

__all__ = ["diagnose"]
