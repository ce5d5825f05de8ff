"""The formula of every operation, once, as a good student would write it; a user's code is compared with it.

A file holds a family. A function takes torch's arguments under torch's names (x for input, t for target) and returns
`output, backward`, or a tuple of outputs; `backward` takes a gradient for each output that has one and returns a tuple,
one gradient for each of the operation's arrays, in torch's order. Options may choose lines by `if`. A line is short,
has one thought, and gives a new name to what it computes: wrong formulas are the same lines with one change.
"""
