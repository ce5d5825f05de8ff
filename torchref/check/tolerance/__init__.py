"""How far two correct results may lie apart.

`rounding` measures how far rounding moves a result. `allowance` turns that into a bound for a user's gradient, `bound`
is one for whole layers. `closeness` is what is smaller than any mistake.
"""
