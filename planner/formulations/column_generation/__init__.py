"""Formulation G: a fleet by column generation over replica patterns, with a certificate.

`subproblems` takes the fleet apart, `covering_search` solves one block for given prices,
`linking_constraints` is what all blocks share, `restricted_master` combines patterns,
`pricing_loop` finds the patterns worth having, `integer_master` chooses whole ones, and
`algorithm` runs all of it.
"""
