"""What it takes: the time, the bytes and the money of deployments, over NumPy arrays."""
