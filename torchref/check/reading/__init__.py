"""How a user's code is to be read: in which form it is written, and whose argument is whose.

`forms/` has one file for each form in which people write a gradient; `recognise` finds out which one it is. `arguments`
matches names, `conventions` lists the ways that differ from torch's. Nothing here says what is right or wrong.
"""
