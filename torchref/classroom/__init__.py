"""A class: an assignment, what was handed in, and how it is graded; the exercises that ship."""
