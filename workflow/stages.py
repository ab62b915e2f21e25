"""What each stage reads: the one table from which follows what the variants of a sweep share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from densnet.fitting.settings import FitSettings
from densnet.reference.level import LevelOfTheory
from densnet.settings import rules

LEVEL, FIT = (tuple(rules(kind)["properties"]) for kind in (LevelOfTheory, FitSettings))
SIZES = ("n_train", "n_validation", "n_test")
GIVEN = {
    "geometries": "geometries.nc",
    "frames": "geometries.nc",
    "label_shard": "orbitals.nc",
    "atoms": "atoms.nc",
}
"""Stages whose results a folder of labels holds, and the file of each."""
GIVEN_HARMONIC = "harmonic_psi4.nc"
"""Psi4's harmonic frequencies, which a folder of labels may hold: ``harmonic.psi4`` then needs no gradients."""
SHARED = ("atoms", "fit_basis", "density_model", "energy_model", "lengths")
"""Stages that a family has once, for all its lengths."""


@dataclass(frozen=True)
class Stage:
    """The stages whose files a stage takes, and the keys of config.yaml, or whole sections, that it reads itself."""

    after: tuple[str, ...]
    reads: tuple[str, ...] = ()


STAGES: dict[str, Stage] = {
    "geometries": Stage((), ("sampling",)),
    # Of a length that is not trained on: taken from dynamics with the run's own model, whatever the variant, so that a
    # sweep of models labels nothing again.
    "frames": Stage(("geometries",)),
    "label_shard": Stage(("frames",), tuple(f"reference.{key}" for key in LEVEL)),
    "atoms": Stage(("geometries",), tuple(f"reference.{key}" for key in LEVEL)),
    "labels": Stage(("frames", "label_shard", "atoms"), tuple(f"reference.{key}" for key in FIT)),
    "fit_basis": Stage(("labels",)),
    "density_model": Stage(("labels",), ("density_model",)),
    "energy_model": Stage(("labels", "density_model"), ("energy_model",)),
    "evaluation": Stage(("labels", "energy_model")),
    "trajectory": Stage(("geometries", "energy_model"), ("md",)),
    "peer_trajectory": Stage(("geometries",), ("md",)),
    "spectrum": Stage(("trajectory",), ("spectrum",)),
    "peer_spectrum": Stage(("peer_trajectory",), ("spectrum",)),
    "comparison": Stage(("spectrum", "peer_spectrum"), ("comparison",)),
    "metrics": Stage(("evaluation", "trajectory", "comparison")),
    "lengths": Stage(("evaluation",)),
}


def depends(stage: str, key: str, *, labels_given: bool = False) -> bool:
    """Return whether a stage's results depend on a dotted key, through itself or through what it takes.

    Args:
        labels_given: the system's labels come from a folder, of which the fit takes as many frames as sampling says.
    """
    if labels_given and stage in GIVEN:
        return False
    if labels_given and stage == "labels" and key in {f"sampling.{size}" for size in SIZES}:
        return True
    here = STAGES[stage]
    return any(key == entry or key.startswith(f"{entry}.") for entry in here.reads) or any(
        depends(other, key, labels_given=labels_given) for other in here.after
    )


def labels_given(config: Mapping[str, Any], system: str) -> bool:
    """Return whether the labels of a system, or of a family, come from a folder."""
    return "labels" in config["systems"][one_of(config, system)]


def one_of(config: Mapping[str, Any], name: str) -> str:
    """Return a family's length that its fit basis is made from; a system's own name."""
    family = config.get("families", {}).get(name)
    return f"{name}/{family['basis_from']}" if family else name
