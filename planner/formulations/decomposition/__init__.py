"""Formulation G: a fleet taken apart by workload and period, and put together with a certificate.

`blocks` takes it apart, `covering` solves one block for given prices, `market` is what all blocks
share, `master` combines patterns, `generating` finds the patterns worth having, `integral` chooses
whole ones, and `deciding` runs all of it.
"""
