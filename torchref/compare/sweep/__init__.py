"""Many runs of one comparison: seeds and a grid of values, over a pool of processes, in one table."""
