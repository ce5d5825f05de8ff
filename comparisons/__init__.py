"""What is compared: the comparisons that ship, one file each, and `lessons`; each is an example to copy.

A comparison is a module with `comparison = Comparison(...)`, a lesson one with `lesson = Lesson(...)`; the first line
of its docstring is its claim. `torchref.compare` trains them, and `torchref compare NAME` finds them here by name.
"""

# In the order in which `torchref list` shows them, each with the seconds that it takes on two cores.
ORDER = {
    "digits": 30,
    "regression": 10,
    "tables": 10,
    "images": 20,
    "autoencoders": 15,
    "sequences": 40,
    "reversal": 15,
    "text": 40,
    "torch_alone": 30,
}
