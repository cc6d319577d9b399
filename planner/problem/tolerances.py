"""Tolerances: every small number that decides what counts as equal, and why it is that small.

The solvers, which know nothing of the planner, keep their own in `solvers/mip.py` and
`solvers/exhaustive.py`; the equations of `planner/terms` have the rounding of replicas (T44).
"""

from __future__ import annotations

ROUNDING = 1e-9
"""Relative excess, or part of a demand, that counts as rounding: a limit is met within it."""
PROVED = 1e-9
"""Relative distance of an objective and its bound, or of two bounds, that is none."""
TIE = 1e-7
"""Relative difference of two objectives that is a tie, as for the solvers (`solvers/mip.py`)."""
DIFFERENT = 1e-6
"""Relative difference of two objectives that is surely no tie for a solver."""
NEGLIGIBLE = 1e-7
"""Part of a demand, a price or an accelerator that is not worth a variable or a word."""
RELAXED = 1e-6
"""Part of a pattern, or of a written number, that a relaxation or rounding may leave."""
INTEGRAL = 1e-5
"""How far a solver's whole number may lie beside one."""

CHECKED = 1e-6
"""The checker of plans: relative difference that rounding in a CSV may leave."""
CHECKED_FLEET = 1e-9
"""The checker of fleets: relative difference that twelve significant digits may leave."""
CHECKED_SPLIT = 1e-7
"""The checker of fleets: part of a replica that rounding may leave in how classes share it."""
