"""An instance of one deployment, asked as a fleet of one workload."""

from __future__ import annotations

from typing import Any

from planner.io.long_form import long_form
from planner.problem.fleet import Fleet
from planner.problem.instance import Instance


def as_fleet(instance: Instance, **changes: Any) -> Fleet:
    """Return the fleet that asks the same of one workload.

    Parameters
    ----------
    instance : Instance
        One of one deployment.
    **changes : any
        Keys of the top level and what they are instead, as a file would say it; None leaves a key
        out.

    Raises
    ------
    InputError
        Where the instance asks for something that fleets do not know.
    """
    content = instance.model_dump(mode="json", by_alias=True, exclude_unset=True) | changes
    said = {key: value for key, value in content.items() if value is not None}
    return Fleet.model_validate(long_form(said, fleet=True).value)
