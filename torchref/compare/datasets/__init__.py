"""Data for comparisons: what ships with the machine's packages, what is made to a known truth, and a user's own."""
