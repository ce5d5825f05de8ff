"""Many tasks, each in a process of its own: on this machine's cores, or on the workers of a cluster."""
