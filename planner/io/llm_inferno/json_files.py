"""llm-inferno's JSON files: what they say, and where they say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from planner.errors import InputError, Problem
from planner.io.document import Document, Location, dotted
from planner.io.schema_errors import Schema, in_words, model_in
from planner.io.text_file import read_text
from planner.io.yaml_json import Source
from planner.problem.fleet import Amount, Whole
from planner.problem.instance import Count, Name
from planner.problem.instance import Dollars as Positive

FILES = {
    "acceleratorData": "accelerator-data.json",
    "modelData": "model-data.json",
    "serviceClassData": "serviceclass-data.json",
    "serverData": "server-data.json",
    "capacityData": "capacity-data.json",
    "optimizerData": "optimizer-data.json",
}
"""File by its key in `system-data.json`, which holds all of them."""
SYSTEM_FILE = "system-data.json"
OPTIONAL = ("capacityData", "optimizerData")


class Part(BaseModel):
    """A part of a file that may say more than the planner reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Power(Part):
    """Power of an accelerator."""

    full: Amount = 0.0


class Accelerator(Part):
    """A machine of one or several units of a type."""

    name: Name
    type: Name
    multiplicity: Count = 1
    cost: Positive
    """Cents per hour."""
    power: Power = Power()


class Accelerators(Part):
    """Contents of `accelerator-data.json`."""

    accelerators: tuple[Accelerator, ...] = Field(min_length=1)


class Parameters(Part):
    """Parameters of iteration times, in milliseconds."""

    alpha: Positive
    beta: Amount
    gamma: Amount


class Model(Part):
    """A model on an accelerator."""

    name: Name
    acc: Name
    acc_count: Count = Field(alias="accCount")
    max_batch_size: Count = Field(alias="maxBatchSize")
    at_tokens: Count = Field(alias="atTokens")
    parameters: Parameters = Field(alias="perfParms")


class Models(Part):
    """Contents of `model-data.json`."""

    models: tuple[Model, ...]


class Target(Part):
    """Targets of a class for one model; 0 is none."""

    model: Name
    itl: Amount = Field(default=0.0, alias="slo-itl")
    """Milliseconds per output token."""
    ttft: Amount = Field(default=0.0, alias="slo-ttft")
    """Milliseconds to the first token."""
    tps: Amount = Field(default=0.0, alias="slo-tps")
    """Output tokens per second of all requests."""


class ServiceClass(Part):
    """A class of service."""

    name: Name
    priority: Count
    targets: tuple[Target, ...] = Field(alias="modelTargets")


class Classes(Part):
    """Contents of `serviceclass-data.json`."""

    classes: tuple[ServiceClass, ...] = Field(alias="serviceClasses")


class Load(Part):
    """Requests of a server."""

    arrival_rate: Amount = Field(alias="arrivalRate")
    """Requests per minute."""
    input_tokens: Whole = Field(
        alias="avgInTokens", validation_alias=AliasChoices("avgInTokens", "AvgInTokens")
    )
    """0 where nothing was measured yet."""
    output_tokens: Count = Field(
        alias="avgOutTokens", validation_alias=AliasChoices("avgOutTokens", "AvgOutTokens")
    )


class Allocation(Part):
    """What a server has now."""

    accelerator: str = ""
    replicas: Whole = Field(default=0, alias="numReplicas")
    load: Load


class Server(Part):
    """A model served to one class."""

    name: Name
    service_class: Name = Field(alias="class")
    model: Name
    keep: bool = Field(default=False, alias="keepAccelerator")
    min_replicas: Whole = Field(default=0, alias="minNumReplicas")
    max_batch_size: Whole = Field(default=0, alias="maxBatchSize")
    allocation: Allocation = Field(alias="currentAlloc")


class Servers(Part):
    """Contents of `server-data.json`."""

    servers: tuple[Server, ...] = Field(min_length=1)


class Units(Part):
    """Units of a type that there are."""

    type: Name
    count: Whole


class Capacity(Part):
    """Contents of `capacity-data.json`."""

    count: tuple[Units, ...] = ()


class Options(Part):
    """How the other tool is to optimize."""

    unlimited: bool = False
    heterogeneous: bool = False


class Optimizer(Part):
    """Contents of `optimizer-data.json`."""

    optimizer: Options = Options()


class System(Part):
    """Everything, as `system-data.json` holds it."""

    accelerators: Accelerators = Field(alias="acceleratorData")
    models: Models = Field(alias="modelData")
    classes: Classes = Field(alias="serviceClassData")
    servers: Servers = Field(alias="serverData")
    capacity: Capacity = Field(default=Capacity(), alias="capacityData")
    optimizer: Optimizer = Field(default=Optimizer(), alias="optimizerData")


SCHEMAS = {
    str(field.alias): Schema(model_in(field.annotation) or System, {})
    for field in System.model_fields.values()
}


def is_inferno(folder: Path) -> bool:
    """Tell whether a folder holds llm-inferno's files."""
    return any((folder / name).is_file() for name in (SYSTEM_FILE, FILES["serverData"]))


@dataclass(frozen=True, slots=True)
class Text:
    """The files, as documents, with the location in each at which its part starts."""

    parts: Mapping[str, tuple[Document, Location]]

    @property
    def value(self) -> dict[str, Any]:
        """What the files say together, by key."""
        found = {}
        for key, (document, start) in self.parts.items():
            node = document.value
            for step in start:
                node = node[step]
            found[key] = node
        return found

    def schema_problems(self, error: ValidationError) -> list[Problem]:
        """Return what the schema objects to, by file and line."""
        problems: list[Problem] = []
        for details in error.errors():
            document, start = self._home(details["loc"])
            # Parts that the schema and the file know stand behind the key.
            moved: ErrorDetails = {**details, "loc": (*start, *details["loc"][1:])}
            problems += in_words([moved], document, SCHEMAS[str(details["loc"][0])])
        return problems

    def placed(self, problem: Problem, location: Location) -> Problem:
        """Return a problem with file, line and field."""
        document, start = self._home(location)
        inner = (*start, *location[1:])
        return replace(problem, field=dotted(inner), file=document.file, line=document.line(inner))

    def _home(self, location: Location) -> tuple[Document, Location]:
        """Return the document of a part, and where it starts; where it would if it were there."""
        key = str(location[0])
        if key in self.parts:
            return self.parts[key]
        document, start = next(iter(self.parts.values()))
        return document, (*start[:-1], key)


def read_documents(folder: Path) -> dict[str, tuple[Document, Location]]:
    """Read the files that there are, or one that holds all."""
    if not (folder / FILES["serverData"]).is_file():
        document = _document(folder / SYSTEM_FILE)
        system = document.value.get("system")
        if not isinstance(system, dict) or not set(FILES) & set(system):
            expected = "`system` with acceleratorData, modelData, serviceClassData and serverData"
            found, fix = "something else", "Check that this is the right file."
            raise InputError(Problem(expected, found, "system", fix, document.file, 1))
        return {key: (document, ("system", key)) for key in FILES if key in system}
    read = {}
    problems: list[Problem] = []
    for key, name in FILES.items():
        try:
            if key not in OPTIONAL or (folder / name).exists():
                read[key] = (_document(folder / name), ())
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(problems)
    return dict(read)


def _document(path: Path) -> Document:
    return Source(read_text(path), str(path)).document
