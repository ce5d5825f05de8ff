"""A NumPy network and its torch twin, trained side by side, every gradient of every step compared."""
