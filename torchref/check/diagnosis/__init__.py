"""What is wrong with a user's gradient, and why.

`search` finds the reading in which the code works, and `judge` asks it one question after the other: is the forward
right; what must any gradient keep; does it equal a wrong formula of the operation; which signature does it have; which
one change makes it right? Whatever fits is confirmed on a second probe; what fits nothing is "unknown".
"""
