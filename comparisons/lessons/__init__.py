"""One claim about neural networks a file: what is varied, what is measured, what would refute it."""
