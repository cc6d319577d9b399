"""The package highspy, whose objects are silent from the moment they are made.

From release 1.16.0 on, `highspy.Highs()` prints a banner of two lines on standard output while it
is being made: before a caller can set `output_flag`. The class that `load_highspy` puts in its
place holds the flag down until the object is made, and then gives it back its default. So the
banner appears for nobody, whoever makes the object (this package, Pyomo, a user), and what a
caller asks HiGHS to print is printed as before.

Solves go on where HiGHS was used in the same process before, with another number of threads.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from solvers.outcome import SolverMissingError


@cache
def load_highspy() -> Any:
    """Import highspy and make its class `Highs` silent while an object is made.

    Returns
    -------
    module
        The package highspy.

    Raises
    ------
    SolverMissingError
        Where the package is not installed.

    Examples
    --------
    >>> highs = load_highspy().Highs()
    >>> highs.getOptionValue("output_flag")[1]
    True
    """
    try:
        import highspy
    except ImportError:
        raise SolverMissingError("highs") from None

    class SilentCore(highspy._Highs):  # type: ignore[misc, name-defined]
        """The compiled part, made with its output off."""

        def __init__(self) -> None:
            super().__init__()
            self.setOptionValue("output_flag", False)

        def run(self) -> Any:
            """Solve, with as many threads as asked for, whoever used HiGHS before.

            HiGHS has one scheduler for all objects of a process, with the threads that the first
            solve asked for; a later solve that asks for another number ends without a status.
            """
            status = super().run()
            if self.getModelStatus() == highspy.HighsModelStatus.kNotset:
                self.resetGlobalScheduler(True)
                status = super().run()
            return status

    class Highs(highspy.Highs, SilentCore):  # type: ignore[misc]
        """HiGHS as highspy has it, without a banner while it is made."""

        def __init__(self) -> None:
            # The next class in line is highspy's own; it makes `SilentCore`, and then prints.
            super().__init__()
            self.setOptionValue("output_flag", True)

    highspy.Highs = Highs
    return highspy


def highs_version() -> str:
    """Return the version of HiGHS, as `1.16.0`."""
    return str(load_highspy().Highs().version())
