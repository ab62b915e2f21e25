"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., arXiv 2409.11321).

The steps of ``pytorch_optimizer.SOAP``, to rounding, for all weights of one shape at once and captured on a GPU. One
after another, the forty small weights of a network are a thousand launches a step (times: docs/accuracy.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from densnet.nn.captured import Captured

EPSILON = 1e-8
REFRESH_EVERY = 10
"""Steps between two improvements of the eigenbases."""


class SOAP(torch.optim.Optimizer):
    """Weights W of several axes, gradients G.

    Each axis has a covariance C ← β C + (1 - β) G Gᵀ, G with that axis first and the others as one, and an orthogonal
    Q of its eigenvectors. G' is G in these bases, and M' the mean M ← β M + (1 - β) G. With V ← β V + (1 - β) G'²,

        W ← W - η b M' / (√V + ε), taken back from the bases,   b = 1 / √(1 - βᵗ).

    Every tenth step Q ← the orthogonal factor of C Q, its columns sorted by Qᵀ C Q, and V with them. Vectors are
    left to Adam. The first step only measures C.

    Args:
        parameters: the weights.
        lr: η.
        beta: β, one for all means.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, beta: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "beta": beta, "step": 0})
        by_shape: dict[torch.Size, list[torch.Tensor]] = defaultdict(list)
        for parameter in self.param_groups[0]["params"]:
            by_shape[parameter.shape].append(parameter)
        self.alike: list[list[torch.Tensor]] = list(by_shape.values())
        self.gradients = [torch.zeros((len(alike), *alike[0].shape)).to(alike[0]) for alike in self.alike]
        self.step_size = torch.zeros(()).to(self.gradients[0])
        self._captured: Captured | None = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; it lies elsewhere than the one before."""
        super().load_state_dict(state_dict)
        self._captured = None

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make a step with the gradients that the weights have."""
        if closure is not None:
            raise ValueError("SOAP: expected no closure; differentiate before the step")
        (group,) = self.param_groups
        for alike, gradient in zip(self.alike, self.gradients, strict=True):
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in alike]
            torch.stack(gradients, out=gradient)
        t, beta = group["step"], group["beta"]
        if t == 0:
            self._begin()
        else:
            self.step_size.fill_(group["lr"] / (1 - beta**t) ** 0.5)
            self._move()
            if t % REFRESH_EVERY == 0:
                self._refresh()
        group["step"] += 1

    def _begin(self) -> None:
        beta = self.param_groups[0]["beta"]
        for alike, gradient in zip(self.alike, self.gradients, strict=True):
            state = self.state[alike[0]]
            state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
            for axis in _axes(gradient):
                covariance = (1 - beta) * _covariance(gradient, axis)
                # once, and where it cannot fail: the matrices may be of low rank
                _, vectors = torch.linalg.eigh(covariance.cpu().double())
                state[f"covariance_{axis}"] = covariance
                state[f"basis_{axis}"] = vectors.flip(2).to(covariance)

    def _move(self) -> None:
        """Update the weights and all means, on a GPU captured once the libraries are ready from some real updates."""
        if not self.step_size.is_cuda or self.param_groups[0]["step"] < REFRESH_EVERY:
            self._update()
            return
        self._captured = self._captured or Captured(self._update, rehearsals=0)
        self._captured()

    def _update(self) -> tuple[torch.Tensor, ...]:
        beta = self.param_groups[0]["beta"]
        for alike, gradient in zip(self.alike, self.gradients, strict=True):
            state = self.state[alike[0]]
            bases = [state[f"basis_{axis}"] for axis in _axes(gradient)]
            state["mean"].lerp_(gradient, 1 - beta)
            state["square"].lerp_(_in_bases(gradient, bases).square(), 1 - beta)
            step = _in_bases(state["mean"], bases) / (state["square"].sqrt() + EPSILON)
            step = _in_bases(step, [basis.transpose(1, 2) for basis in bases]) * self.step_size
            torch._foreach_sub_(alike, step.unbind())
            for axis in _axes(gradient):
                state[f"covariance_{axis}"].lerp_(_covariance(gradient, axis), 1 - beta)
        return ()

    def _refresh(self) -> None:
        """Turn all bases towards the eigenvectors; matrices of one size go through one factorisation."""
        products = defaultdict(list)
        for alike, gradient in zip(self.alike, self.gradients, strict=True):
            state = self.state[alike[0]]
            for axis in _axes(gradient):
                basis = state[f"basis_{axis}"]
                product = state[f"covariance_{axis}"] @ basis
                order = (basis * product).sum(1).argsort(dim=1, descending=True)
                along = order.view(len(order), *(-1 if n == axis else 1 for n in range(gradient.dim() - 1)))
                state["square"].copy_(torch.take_along_dim(state["square"], along, dim=axis + 1))
                products[order.shape[1]].append((basis, torch.take_along_dim(product, order.unsqueeze(1), dim=2)))
        for pairs in products.values():
            turned, _ = torch.linalg.qr(torch.cat([product for _, product in pairs]))
            for (basis, _), better in zip(pairs, turned.split([len(basis) for basis, _ in pairs]), strict=True):
                basis.copy_(better)


def _axes(stacked: torch.Tensor) -> range:
    """Return the axes of each of the stacked weights that have a basis."""
    return range(stacked.dim() - 1) if stacked.dim() > 2 else range(0)


def _covariance(stacked: torch.Tensor, axis: int) -> torch.Tensor:
    """Return G Gᵀ over all axes but one of stacked (g, ...), (g, n, n)."""
    rows = stacked.movedim(axis + 1, 1).flatten(2)
    return rows @ rows.transpose(1, 2)


def _in_bases(stacked: torch.Tensor, bases: list[torch.Tensor]) -> torch.Tensor:
    """Return stacked (g, ...) with each axis in its basis, (g, n, n) with a basis vector a column."""
    for basis in bases:
        # takes the first axis off and puts it back as the last: after all of them the order is as before
        later_axes = stacked.shape[2:]
        stacked = (stacked.flatten(2).transpose(1, 2) @ basis).view(len(basis), *later_axes, -1)
    return stacked
