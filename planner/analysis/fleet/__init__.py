"""What a fleet's guarantees cost, what it withstands, and the price of robustness."""
