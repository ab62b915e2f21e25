"""How the frozen density answers when atoms move: du/dR of a frame once for all, or its products in each step.

Measured on thiophene chains in def2-SVP-JKFIT with default networks, one thread, batches of 8: a frame's du/dR takes
0.17, 0.5, 1.7 and 3.0 s to make (n = 1, 2, 4, 6) and 0.11, 0.36, 1.3 and 2.7 MB to keep; without it a step takes 1.7 to
2.2 times as long. With cutoffs of 5 Angstrom and two rounds of messages du/dR reaches over 10 Angstrom to each side,
which is nearly all of a hexamer: leaving out what is zero would save little.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from densnet.models.density_model import DensityModel
from densnet.models.graph import replicate

BATCH_ATOMS = {"cpu": 128, "cuda": 4096}
"""Atoms of the frames whose Jacobians are taken at once, about."""

ReadDensity = Callable[[torch.Tensor], torch.Tensor]
"""From positions (t, i, 3) to the coefficients that the energy model reads, (t, i, lm, n)."""


def read_density(density: DensityModel, element: torch.Tensor, l_density: int) -> ReadDensity:
    """Return the function from positions to u up to a degree, of a molecule with element indices (i,)."""
    n_read = (l_density + 1) ** 2

    def read(positions: torch.Tensor) -> torch.Tensor:
        _, u = density(replicate(element, positions, density.settings.cutoff))
        return u[:, :n_read].unflatten(0, positions.shape[:2])

    return read


def density_jacobian(
    density: DensityModel, element: torch.Tensor, positions: torch.Tensor, l_density: int, *, jacobian: bool
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return u (t, i, lm, n) and du/dR (t, i · lm · n, i · 3), the latter None if it is not wanted.

    By forward differentiation, one coordinate at a time, on the elements' device; the results are in the host's memory.
    """
    read, device = read_density(density, element, l_density), element.device
    us, jacobians = [], []
    together = max(BATCH_ATOMS[device.type] // len(element), 1)
    for start in range(0, len(positions), together):
        batch = positions[start : start + together].to(device)
        n_frames, n_atoms = batch.shape[:2]
        if not jacobian:
            with torch.no_grad():
                us.append(read(batch).cpu())
            continue
        columns = []
        for coordinate in range(n_atoms * 3):
            tangent = torch.zeros(n_atoms * 3, device=device)
            tangent[coordinate] = 1
            direction = tangent.reshape(1, n_atoms, 3).expand(n_frames, -1, -1).contiguous()
            with forward_ad.dual_level():
                value, column = forward_ad.unpack_dual(read(forward_ad.make_dual(batch, direction)))
            columns.append(column.flatten(1).cpu())
        us.append(value.cpu())
        jacobians.append(torch.stack(columns, dim=2))
        done = min(start + together, len(positions))
        print(f"densnet: Jacobians {done}/{len(positions)}", file=sys.stderr, flush=True)
    return torch.cat(us).detach(), torch.cat(jacobians).detach() if jacobian else None


class ThroughDensity(torch.autograd.Function):
    """v ↦ v · du/dR, linear in v: forth and back through the density; its own derivative w ↦ du/dR · w, forward.

    So the loss of the forces reaches the energy model's weights without differentiating the density model twice.
    """

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor, read: ReadDensity, positions: torch.Tensor) -> torch.Tensor:
        """Return (t, i, 3) from v (t, i, lm, n) at positions (t, i, 3)."""
        ctx.read, ctx.positions = read, positions.detach()
        with torch.enable_grad():
            moved = ctx.positions.requires_grad_(True)
            (product,) = torch.autograd.grad(read(moved), moved, v.detach())
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Return the derivative in the direction of the gradient."""
        (w,) = gradients
        with torch.no_grad(), forward_ad.dual_level():
            moved = forward_ad.make_dual(ctx.positions.detach(), w.contiguous())
            tangent = forward_ad.unpack_dual(ctx.read(moved)).tangent
        return tangent, None, None
