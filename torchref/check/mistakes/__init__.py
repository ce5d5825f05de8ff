"""Wrong formulas: for each operation the right one, with the mistakes that can be switched on in it."""
