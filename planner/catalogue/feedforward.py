"""Kinds of feed-forward block: dense ones and mixtures of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Dense:
    """A feed-forward block that every token passes."""

    width: int
    gated: bool = True
    """Gated blocks have two matrices in and one out; plain ones one and one."""
    kind: Literal["dense"] = "dense"

    @property
    def matrices_in(self) -> int:
        """Matrices from the hidden size to the width."""
        return 2 if self.gated else 1

    def parameters(self, hidden: int) -> int:
        """Weights of one layer."""
        return (self.matrices_in + 1) * hidden * self.width

    def active_parameters(self, hidden: int) -> int:
        """Weights one token meets."""
        return self.parameters(hidden)


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts: a router sends each token to a few of many blocks."""

    count: int
    active: int
    width: int
    shared_width: int = 0
    """Width of the experts every token passes, taken together."""
    gated: bool = True
    latent: int | None = None
    """Size tokens are projected to before the routed experts and back from after; None is none."""
    router: bool = True
    """Whether the router's weights count (the source paper leaves them out)."""
    kind: Literal["experts"] = "experts"

    @property
    def matrices_in(self) -> int:
        """Matrices from the hidden size to the width."""
        return 2 if self.gated else 1

    def expert_parameters(self, hidden: int) -> int:
        """Weights of one routed expert."""
        return (self.matrices_in + 1) * (self.latent or hidden) * self.width

    def router_parameters(self, hidden: int) -> int:
        """Weights of the router."""
        return hidden * self.count if self.router else 0

    def common_parameters(self, hidden: int) -> int:
        """Weights every token meets: the router, the shared experts and the way to the latent."""
        router = self.router_parameters(hidden)
        shared = (self.matrices_in + 1) * hidden * self.shared_width
        return router + shared + 2 * hidden * (self.latent or 0)

    def parameters(self, hidden: int) -> int:
        """Weights of one layer, all experts and the router."""
        return self.count * self.expert_parameters(hidden) + self.common_parameters(hidden)

    def active_parameters(self, hidden: int) -> int:
        """Weights one token meets."""
        return self.active * self.expert_parameters(hidden) + self.common_parameters(hidden)


FeedForward = Dense | Experts
