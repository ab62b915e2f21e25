"""How geometries are sampled, or taken from the benchmark of the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from annotated_types import Ge, Le, Lt, MinLen, Unit
from pydantic import Field

from densnet.settings import Count, Kelvin, Natural, NotNegative, Positive, Settings

Benchmarked = Literal[
    "aspirin",
    "azobenzene",
    "benzene",
    "ethanol",
    "malonaldehyde",
    "naphthalene",
    "paracetamol",
    "salicylic",
    "toluene",
    "uracil",
]
"""Molecules of revised MD17, as its files name them."""
MOLECULES: tuple[str, ...] = get_args(Benchmarked)

Femtoseconds = Annotated[Positive, Unit("fs")]


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """How geometries are sampled."""

    n_train: Count = 150
    """Training geometries: chosen for diversity, and strained ones."""
    n_validation: Natural = 20
    """Validation geometries, by which the best weights are chosen: a random part of the same choice."""
    n_test: Natural = 40
    """Test geometries, from trajectories of their own, unchosen."""
    temperatures: Annotated[tuple[Kelvin, ...], MinLen(1), Field(strict=False), Unit("K")] = (500.0,)
    """Of the dynamics, higher than that of molecular dynamics, so that the models know what they will meet; each has
    its own trajectories and an equal share of the frames."""
    test_temperatures: Annotated[tuple[Kelvin, ...], Field(strict=False), Unit("K")] = ()
    """Of the trajectories for the test frames; those of temperatures if none are given."""
    seed: Natural = 0
    """Of conformers, dynamics and choice: all that is random follows from it."""
    n_conformers: Count = 8
    """Conformers to start from (SMILES only)."""
    n_trajectories: Count = 4
    """Trajectories for training and validation at each temperature."""
    n_test_trajectories: Count = 2
    """Trajectories for the test frames at each temperature."""
    candidates_per_frame: Annotated[float, Ge(1)] = 2.0
    """Candidates that are sampled for each training or validation geometry."""
    strained_share: Annotated[NotNegative, Lt(1)] = 0.2
    """Share of the training geometries that are strained: pairs of atoms pushed together or apart, normal modes, turned
    torsions. Without them the energy guesses there (docs/robustness.md)."""
    strain_energy: Annotated[Positive, Le(20), Unit("eV")] = 5.0
    """Most energy that strain costs by GFN2-xTB."""
    reactive: bool = False
    """Keep trajectories in which hydrogens go from one atom to another, as in proton transfers; otherwise every one in
    which a bond breaks or forms is run again."""
    timestep_fs: Annotated[Femtoseconds, Le(2.0)] = 1.0
    """Time step of the sampling dynamics; its error is far below the gap between GFN2-xTB and the reference."""
    friction_per_fs: Annotated[Positive, Unit("1/fs")] = 0.02
    """Langevin friction."""
    equilibration_fs: Annotated[NotNegative, Unit("fs")] = 300.0
    """Time that each trajectory runs before frames are kept."""
    interval_fs: Femtoseconds = 20.0
    """Time between candidates."""
    test_interval_fs: Femtoseconds = 50.0
    """Time between test frames."""

    @property
    def n_strained(self) -> int:
        """Number of strained training geometries; at least one is left to dynamics."""
        return min(round(self.strained_share * self.n_train), self.n_train - 1)


@dataclass(frozen=True)
class CollectionSettings(Settings):
    """Which frames of the dynamics of an ensemble are labelled."""

    frames: Count = 40
    """Most frames that are labelled in a round; a tenth of them are validation frames."""
    expected_error: Positive = 2.0
    """A frame is wanted if its expected force error is more than so many times the median one of held-out frames ..."""
    domain_distance: Positive = 0.5
    """... or if its domain distance is larger than this (docs/robustness.md)."""


@dataclass(frozen=True)
class BenchmarkSettings(Settings):
    """Which molecule of revised MD17, and how many of its frames are labelled with densities."""

    molecule: Benchmarked
    """Name of the molecule."""
    n_train: Count = 950
    """Training frames: the first of those to learn from."""
    n_validation: Count = 50
    """Validation frames: the last of those to learn from."""
    n_test: Count = 200
    """Test frames: the first of those to be judged by."""


@dataclass(frozen=True)
class GivenFramesSettings(Settings):
    """How given frames are dealt; those that are not held out are for training."""

    n_validation: Natural = 20
    """Validation frames, drawn at random."""
    n_test: Natural = 40
    """Test frames, drawn at random."""
    seed: Natural = 0
    """Of the random choice."""
