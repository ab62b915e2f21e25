"""Training that begins with the weights of an earlier model."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch

from densnet.errors import DensnetError
from densnet.models.density_model import DensityModel
from densnet.models.energy_model import EnergyModel

Network = TypeVar("Network", DensityModel, EnergyModel)


def taken_over(earlier: Network | None, fresh: Network, path: Path) -> Network:
    """Return an earlier network to train on, with its weights and scales.

    Distances that it has not seen and that the new labels have become known to it: the closest of each pair of elements
    is the smaller one of both.

    Args:
        earlier: the network of a model file, None if the file has none.
        fresh: the one that would be trained otherwise.
        path: of the file.

    Raises:
        DensnetError: there is none, or its architecture or its numbers of functions are others.
    """
    if earlier is None:
        raise DensnetError(f"start: {path} has no energy model; give the file of 'densnet train energy --model'")
    if earlier.settings != fresh.settings or _shapes(earlier) != _shapes(fresh):
        raise DensnetError(
            f"start: {path}: expected a model of the same architecture and fit basis, found {earlier.settings}; "
            "train without --start"
        )
    closest, known = fresh.edges.closest, earlier.edges.closest
    known.copy_(torch.where(known == 0, closest, torch.minimum(known, closest)))
    return earlier.requires_grad_(True)


def _shapes(network: DensityModel | EnergyModel) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in network.state_dict().items()}
