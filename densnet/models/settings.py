"""Architectures of the two models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Le, Unit

from densnet.settings import Count, Natural, NotNegative, Positive, Settings

Degree = Annotated[Natural, Le(6)]
BodyOrder = Literal[2, 3, 4]


@dataclass(frozen=True)
class MessagePassingSettings(Settings):
    """What the architectures of both models have."""

    channels: Count = 32
    """Features of each degree on an atom."""
    edge_channels: Count = 16
    """Features of each degree sent along an edge."""
    l_message: Degree = 2
    """Highest degree of the features that neighbours send in later rounds."""
    layers: Count = 2
    """Rounds of message passing."""
    cutoff: Annotated[Positive, Unit("Å")] = 5.0
    """Distance beyond which atoms do not see each other directly."""


@dataclass(frozen=True)
class DensityMessagePassingSettings(MessagePassingSettings):
    """What the maps to the density and to its response have."""

    l_max: Degree = 4
    """Highest degree of the features; at least the fitting basis's own."""
    body_order: BodyOrder = 3
    """Atoms coupled in one round."""


@dataclass(frozen=True)
class DensityModelSettings(DensityMessagePassingSettings):
    """Architecture of the density model."""

    target: Literal["delta", "direct"] = "delta"
    """Learn the difference from superposed free atoms (delta) or the coefficients themselves (direct)."""
    charge_balance: Literal["local", "global"] = "local"
    """Where electrons are taken off that an atom is predicted too many, or put that it lacks: on the atom and its
    neighbours within the cutoff (local), or alike on all atoms of the molecule (global), however far away."""


@dataclass(frozen=True)
class ResponseModelSettings(DensityMessagePassingSettings):
    """Architecture of the model of the density's response to an electric field."""

    head: Literal["density", "tensor"] = "density"
    """Predict the response of the density, from which the polarizability follows, or the polarizability alone, as a sum
    of atomic tensors, to compare with."""
    vector_channels: Count = 16
    """Products of two features that give axial vectors and tensors, which the response needs beside polar ones."""


@dataclass(frozen=True)
class EnergyModelSettings(MessagePassingSettings):
    """Architecture of the energy model."""

    l_density: Degree = 2
    """Highest degree of the density coefficients that the model reads, as far as the fitting basis has it."""
    l_max: Degree = 3
    """Highest degree of features and edge harmonics."""
    l_last: Degree = 0
    """Highest degree of what the last of several rounds sums over neighbours, up to l_max, and couples by its products
    to the scalars that the energy is read from; 0: products of scalars alone."""
    body_order: BodyOrder = 4
    """Atoms coupled in one round."""
    product_bound: NotNegative = 1.0
    """Size that the factors of products stay within, so that the energy does not grow as a polynomial; 0 for none."""
    repulsion: Literal["zbl", "none"] = "zbl"
    """Wall between nuclei that are nearer than any were in training: Ziegler, Biersack and Littmark's, or none."""
