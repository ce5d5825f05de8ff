"""What is compared: the comparisons that ship, one file each, and `lessons`; each is an example to copy.

A comparison is a module with `comparison = Comparison(...)`, a lesson one with `lesson = Lesson(...)`; the first line
of its docstring is its claim. `torchref.compare` trains them, and `torchref compare NAME` finds them here by name.
"""
