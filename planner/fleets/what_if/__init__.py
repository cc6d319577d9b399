"""What if: guarantees given up, demand above plan, workloads that rise at once."""
