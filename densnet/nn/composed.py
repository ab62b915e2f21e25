"""Modules that work with tensors made of their parameters: each time in training, once when the weights are frozen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import nn

Value = TypeVar("Value")


class Composed(nn.Module, Generic[Value]):
    """A module whose forward pass reads what :meth:`compose` makes of its parameters.

    While no parameter needs a gradient the result is kept, and made again if a parameter was changed, moved or
    converted; only changes that go behind autograd's back (``parameter.data``) are not noticed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sources: tuple[torch.Tensor, ...] | None = None
        self._kept: tuple[list[tuple[int, int]], Value] | None = None

    @abstractmethod
    def compose(self) -> Value:
        """Return tensors made of the parameters."""

    def sources(self) -> Sequence[torch.Tensor]:
        """Return the tensors that :meth:`compose` reads: all parameters, if nothing else is said."""
        if self._sources is None:
            self._sources = tuple(self.parameters())
        return self._sources

    def composed(self) -> Value:
        """Return what :meth:`compose` makes, kept from earlier calls where that is the same."""
        sources = self.sources()
        for source in sources:
            if source.requires_grad:
                self._kept = None
                return self.compose()
        # in-place changes raise the version; conversions and moves bring new memory
        stamp = [(source.data_ptr(), source._version) for source in sources]
        if self._kept is None or self._kept[0] != stamp:
            with torch.no_grad():
                self._kept = stamp, self.compose()
        return self._kept[1]
