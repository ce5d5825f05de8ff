"""One record an operation: all that the checker knows of it stands in the file of its family."""

from torchref.check.ops.find import UnknownOp, find, normal
from torchref.check.ops.record import Argument, Known, Op, Patch, array, data, option

__all__ = ["Argument", "Known", "Op", "Patch", "UnknownOp", "array", "data", "find", "normal", "option"]
