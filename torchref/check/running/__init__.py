"""A user's code runs, once on each probe, in a process of its own.

`child` starts that process, and `message` carries its verdict back. `trial` is one run of the code on one probe, beside
the right answer. `observed` reads the variables of its backward. `right_value` runs it once more with one variable
replaced by its right value. `tracebacks` picks the user's own lines.
"""
