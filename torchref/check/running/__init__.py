"""A user's code runs, once on each probe, in a process of its own.

`child` starts that process and `message` brings its verdict home. `trial` is one run of the code on one probe, beside
the right answer; `observed` sees the variables of its backward. `right_value` runs it with one variable made right.
"""
