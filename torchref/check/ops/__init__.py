"""One record an operation: all that the checker knows of it stands in the file of its family.

`record` says what a record is made of, and `formula` makes one from the textbook; an optimizer's is made in `steps`.
`catalogue` lists the records. `find` finds the one that a user names, and `constructor` knows torch's options that no
formula has. `probe` makes inputs that show every mistake, and `lint` says what other inputs hide. `conventions` holds
other ways of writing an operation, and `slugs` the names of the mistakes.
"""

from torchref.check.ops.record import Argument, Known, Op, Patch, array, data, option

__all__ = ["Argument", "Known", "Op", "Patch", "array", "data", "option"]
