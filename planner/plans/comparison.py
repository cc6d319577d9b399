"""What keeping and changing what runs costs, as a plan says it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What keeping and changing what runs costs; requests refused included."""

    kept: bool
    """Whether what runs is kept in first periods."""
    dollars_per_hour_if_kept: float
    """In the mean of the horizon; NaN where what runs does not hold, or that was not known."""
    dollars_per_hour_if_changed: float
    """NaN where no plan was found."""

    def summary(self) -> dict[str, Any]:
        """Return it as a mapping that JSON can hold; what is not known is null."""
        numbers = {
            "dollars_per_hour_if_kept": self.dollars_per_hour_if_kept,
            "dollars_per_hour_if_changed": self.dollars_per_hour_if_changed,
        }
        known = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        return {"kept": self.kept, **known}
