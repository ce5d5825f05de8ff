"""The formula of every operation, once, as a good student would write it. The checker compares the user's code with it.

A file holds a family. A function takes torch's arguments under torch's names (x for input, t for target) and returns
`output, backward`, or a tuple of outputs; `backward` takes a gradient for each output that has one and returns a tuple,
one gradient for each of the operation's arrays, in torch's order. An `if` about an option may choose lines. A line is
short, has one thought, and gives a new name to its result, since a wrong formula is the same lines with one change.
For that reason a page is one function, however long it becomes.
"""
