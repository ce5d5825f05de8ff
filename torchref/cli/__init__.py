"""The `torchref` command."""
