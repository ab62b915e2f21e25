"""Models with seeded random weights of realistic size, for tests of symmetry and files."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch

from densnet.basis.basis import Basis
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.energy_model import EnergyModel
from densnet.models.settings import DensityModelSettings, EnergyModelSettings
from densnet.models.whitened_basis import WhitenedBasis

METHANOL = np.array([6, 8, 1, 1, 1, 1])
METHANOL_POSITIONS = np.array(
    [
        [-0.36, 0.01, 0.02],
        [0.97, -0.02, -0.33],
        [-0.68, 1.03, 0.26],
        [-0.98, -0.36, -0.81],
        [-0.58, -0.63, 0.88],
        [1.46, 0.36, 0.41],
    ]
)


def random_model(
    target: str = "delta",
    *,
    charge: int = 0,
    cutoff: float = 4.0,
    body_order: int = 3,
    l_last: int = 0,
    energy_cutoff: float | None = None,
    charge_balance: Literal["local", "global"] = "local",
) -> DenSNet:
    """Both models with random, non-zero weights, scales and heads, in float64."""
    torch.manual_seed(11)
    basis = Basis.from_name("def2-SVP-JKFIT", [1, 6, 8])
    whitened = WhitenedBasis(basis, (1, 6, 8))
    density = DensityModel(
        DensityModelSettings(
            target=target,
            channels=6,
            edge_channels=4,
            cutoff=cutoff,
            body_order=body_order,
            charge_balance=charge_balance,
        ),
        whitened,
        charge=charge,
        mean_neighbours=5.0,
    )
    energy = EnergyModel(
        EnergyModelSettings(
            channels=6, edge_channels=4, cutoff=energy_cutoff or cutoff, body_order=body_order, l_last=l_last
        ),
        whitened,
        mean_neighbours=5.0,
    )
    density.set_scales(0.01 + 0.1 * torch.rand_like(density.scale), 0.1 * torch.randn_like(density.shift))
    energy.set_scales(1.3, torch.tensor([-13.6, -1030.0, -2040.0], dtype=torch.float64))
    prior = torch.zeros(3, whitened.n_max, dtype=torch.float64)
    for index, number in enumerate((1, 6, 8)):
        # one function holds the whole charge: enough for a prior that is neutral
        q = whitened.charge[index] @ torch.linalg.pinv(whitened.unwhiten[index, 0])
        prior[index, 0] = number / q[0]
    return DenSNet(density, energy, prior).double()
