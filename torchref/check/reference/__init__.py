"""What a gradient is judged against where no operation of the catalogue is meant: a function of the user's own.

`witness` differentiates a NumPy function without a formula, `by_torch` asks autograd. `signature` reads the function's
arguments, `inputs` finds arrays on which it runs. `own` makes of all that the record of an operation, so that every
question of the diagnosis can be asked. `judge` is the course of such a verdict. `network` and the files beside it judge
a whole network by its own loss.
"""
