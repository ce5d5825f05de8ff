"""One record an operation: all that the checker knows of it stands in the file of its family.

`catalogue` lists the records, `find` picks the one that a user names. `probe` makes the inputs at which every mistake of
an operation is seen, `conventions` the ways of writing it that differ from torch's.
"""

from torchref.check.ops.record import Argument, Known, Op, Patch, array, data, option

__all__ = ["Argument", "Known", "Op", "Patch", "array", "data", "option"]
