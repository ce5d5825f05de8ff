"""Networks in NumPy and, one under the other, their torch twins."""
