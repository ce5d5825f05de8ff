"""The losses, by concept. Each returns its loss and a backward that, for a scalar loss, needs no argument."""
