"""One training step in both engines: the twins, the bounds of rounding, and the judge of every tensor."""
