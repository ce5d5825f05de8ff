"""Scripts as people write them: weights, a loss and gradients as variables of a file."""
