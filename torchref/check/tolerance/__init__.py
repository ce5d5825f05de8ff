"""How far two correct results may lie apart.

`rounding` measures how far rounding moves a result, and `bound` says it for whole layers in one formula. `closeness` is
what is smaller than any mistake.
"""
