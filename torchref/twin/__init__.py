"""The torch twin of a NumPy network: built, given the same weights, its random draws replayed."""
