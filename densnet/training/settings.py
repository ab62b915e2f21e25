"""How the two models are trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Lt, Unit

from densnet.settings import Count, Natural, NotNegative, Operational, Positive, Settings


@dataclass(frozen=True)
class LoopSettings(Settings):
    """How long and how fast to learn."""

    steps: Count = 4000
    """Optimiser steps."""
    batch_size: Count = 8
    """Frames a step; on a GPU 32 cost hardly more than 8."""
    optimizer: Literal["soap", "adam"] = "soap"
    """soap (Adam in the eigenbasis of Shampoo's preconditioner; Vyas et al., arXiv 2409.11321), or adam (AdamW); a step
    of soap costs half as much again and is worth two to three."""
    learning_rate: Positive = 1e-2
    """At its highest; it decays to a hundredth."""
    ema_decay: Annotated[NotNegative, Lt(1)] = 0.99
    """Of the moving average of the weights over steps; it is what is kept."""
    gradient_clip: Positive = 10.0
    """Longest gradient."""
    n_train: Count | None = None
    """Training frames to use, the first so many, for learning curves; all if not given."""
    max_units: Count | None = None
    """Of chains of several lengths, learn from those of at most so many units; all if not given."""
    validate_every: Count = 100
    """Steps between validations."""
    patience: Count | None = None
    """Stop after so many validations without a better one; never if not given."""
    checkpoint_seconds: Annotated[NotNegative, Unit("s"), Operational] = 30.0
    """Shortest time between checkpoints."""
    seed: Natural = 1
    """Of initial weights and batches."""


@dataclass(frozen=True)
class DensityTrainingSettings(LoopSettings):
    """How the density model is trained."""

    overlap_weight: Annotated[NotNegative, Unit("bohr²")] = 300.0
    """Weight w of ∫ Δρ² beside the Coulomb self-energy, which hardly sees short waves of the density's error."""
    dipole_weight: Annotated[NotNegative, Unit("Hartree/(e Å)²")] = 60.0
    """Of the square of the dipole's error: both metrics hardly see the dipole, so it has its own weight."""
    metric_memory_gib: Annotated[NotNegative, Unit("GiB")] = 4.0
    """Most memory for the frames' metrics (4 bytes x coefficients² each); above it they lie in a file beside the
    output."""


@dataclass(frozen=True)
class ResponseTrainingSettings(LoopSettings):
    """How the model of the density's response to an electric field is trained."""

    overlap_weight: Annotated[NotNegative, Unit("bohr²")] = 300.0
    """Weight of ∫ (Δρ⁽¹⁾)² beside the Coulomb self-energy, as for the density."""
    polarizability_weight: Annotated[NotNegative, Unit("1/bohr³")] = 5.0
    """Of the square of the polarizability's error, summed over components."""


@dataclass(frozen=True)
class EnergyTrainingSettings(LoopSettings):
    """How the energy model is trained."""

    energy_weight: NotNegative = 5.0
    """Weight of the squared error of the energy per atom over (the usual force times 1 Å)."""
    force_weight: NotNegative = 1.0
    """Weight of the mean squared error of a force component over the usual force."""
    fine_tune_steps: Natural = 0
    """Steps in which, at the end, both networks are trained together; 0: the density model stays as it is."""
    fine_tune_rate: Positive = 1e-3
    """Learning rate of these steps, at its highest."""
    density_weight: NotNegative = 0.1
    """Weight of the density model's own loss in these steps."""
    jacobian_memory_gib: Annotated[NotNegative, Unit("GiB")] = 1.0
    """Most memory for how the frames' densities answer when atoms move; above it each step takes twice as long."""
