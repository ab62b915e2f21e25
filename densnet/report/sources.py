"""What the figures of one system are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from densnet.basis.basis import Basis
from densnet.density.frame_errors import KohnSham
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.report.metrics import Metrics
from densnet.spectra.kinds import SAID, Kind, kind_of
from densnet.validation.findings import Finding

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """Everything that is known of one system: what the verbs left that the fields are named after.

    Attributes:
        density_log: columns of the density model's log.
        energy_log: columns of the energy model's log.
        peer_trajectories: other potentials' replicas.
        peer_spectra: other potentials' spectra, in the same order.
        harmonic: the model's first.
        raman: the model's Raman spectrum.
        raman_comparison: of it with a measured one.
        ladder: numbers of that test by the name of each potential, the model's first.
        robustness: likewise.
        benchmarks: folder of the files that Snakemake writes of its jobs.
    """

    system: str
    metrics: Metrics
    labels: xr.Dataset
    evaluation: xr.Dataset
    density_log: Mapping[str, Array]
    energy_log: Mapping[str, Array]
    trajectory: xr.Dataset
    spectrum: xr.Dataset
    comparison: xr.Dataset
    peer_trajectories: tuple[xr.Dataset, ...] = ()
    peer_spectra: tuple[xr.Dataset, ...] = ()
    assignment: xr.Dataset | None = None
    harmonic: tuple[xr.Dataset, ...] = ()
    benchmarks: Path | None = None
    raman: xr.Dataset | None = None
    raman_comparison: xr.Dataset | None = None
    ladder: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    robustness: Mapping[str, Sequence[Finding]] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, Any]:
        """What captions say of the system."""
        numbers = {name: self.metrics.get(name) for name in ("n_train", "n_test", "seed")}
        return {"system": self.system, "level": level_of_theory(self.labels), **numbers}


def read_log(path: Path) -> dict[str, Array]:
    """Read a training log: a float array (row,) a column; empty cells are NaN."""
    try:
        table = pd.read_csv(path)
        if "step" not in table or table.empty:
            raise DensnetError(f"{path}: expected a training log with a column 'step', found none; train again")
        return {str(name): column.to_numpy(float) for name, column in table.items()}
    except OSError as error:
        raise DensnetError(f"{path}: cannot be read ({error.strerror}); expected a training log") from error
    except ValueError as error:
        raise DensnetError(f"{path}: expected a training log ({error}); train again") from error


def read_of_kind(path: Path, kind: Kind, stage: str = "spectrum") -> xr.Dataset:
    """Read a spectrum, or a comparison of spectra ("compare"), of one kind.

    Raises:
        DensnetError: no output of that stage, or one of the other kind.
    """
    dataset = read_dataset(path, stage=stage, variables=("intensity",))
    if kind_of(dataset) != kind:
        raise DensnetError(
            f"{path}: expected the output of 'densnet {stage}' for {SAID[kind]} spectra, found that for "
            f"{SAID[kind_of(dataset)]} spectra; give the right file"
        )
    return dataset


def seconds_of(log: Mapping[str, Array]) -> float:
    """Return the wall time of a training: its last, for logs go on counting where it was stopped; NaN if unknown."""
    return float(pd.Series(log.get("seconds", [np.nan])).max())


def level_of_theory(labels: xr.Dataset) -> str:
    """Return functional, basis and dispersion of the labels in one phrase, e.g. "PBE-D4/def2-SVP"."""
    known = labels.attrs
    if not known.get("functional") or not known.get("basis"):
        raise DensnetError("labels: functional and basis are not recorded; delete the file and run 'densnet fit' again")
    dispersion = str(known.get("dispersion") or "none")
    suffix = "" if dispersion.lower() == "none" else f"-{dispersion.upper()}"
    return f"{known['functional']}{suffix}/{known['basis']}"


def kohn_sham_of(labels: xr.Dataset, frame: xr.Dataset) -> KohnSham | None:
    """Return the Kohn-Sham density of a frame of the evaluation; None if the labels do not have its orbitals."""
    if "orbitals" not in labels.variables or "orbital_basis" not in labels.attrs or "frame" not in frame.coords:
        return None
    orbitals = labels["orbitals"].values[labels["frame"].values == frame["frame"].item()]
    if len(orbitals) != 1 or not np.isfinite(orbitals).all():
        return None
    return KohnSham(Basis.from_json(labels.attrs["orbital_basis"]), orbitals[0])


def n_electrons_of(evaluation: xr.Dataset) -> float:
    """Return the molecule's number of electrons."""
    return float(evaluation["numbers"].values.sum()) - float(evaluation.attrs.get("charge", 0))
