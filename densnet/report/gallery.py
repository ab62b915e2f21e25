"""Many molecules beside experiment: lines of a model and of others beside all measured fundamentals of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from ase.data import atomic_masses
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.molecule import formula
from densnet.report.sources import read_of_kind
from densnet.spectra.compare import peer_labels
from densnet.spectra.experiment import all_vibrations
from densnet.spectra.matching import Matching, match, mode_pairs, once_each
from densnet.spectra.minimum import DOWNWARD
from densnet.spectra.published import Vibration, motion
from densnet.spectra.symmetry import species_of

METHOD_VERSION: int = 1

Array = NDArray[np.float64]

MODEL, REFERENCE = "model", "reference"
"""What the columns of the model and of the labels' own level are called; others by their potential's name."""
OF_MOLECULE = ("system", "formula", "reference", "fundamentals", "matched")
OF_LINE = ("system", "species", "motion", "fundamental", "uncertainty")
"""The columns that a table has whoever's lines there are."""
HARMONIC_FILES = {"harmonic.nc": MODEL, "harmonic_psi4.nc": REFERENCE}
"""Which of the files that the workflow makes is whose."""


@dataclass(frozen=True)
class GallerySystem:
    """What is known of one molecule.

    Attributes:
        harmonic: outcomes of "harmonic": of the model, of the reference, and of potentials by their names.
        comparison: outcome of "compare", with the bands of dynamics.
    """

    name: str
    harmonic: Mapping[str, xr.Dataset] = field(default_factory=dict)
    comparison: xr.Dataset | None = None


@dataclass(frozen=True)
class Gallery:
    """The tables of all molecules.

    Attributes:
        molecules: a row a molecule, with the mean and the largest difference of each method; see :func:`gallery`.
        lines: a row a fundamental, with the line of each method.
        remarks: what is missing or doubtful, a line each.
    """

    molecules: pd.DataFrame
    lines: pd.DataFrame
    remarks: tuple[str, ...]


def read_system(folder: Path, beside: Sequence[Path] = ()) -> GallerySystem:
    """Read what a run left in the folder of a system: comparison.nc, harmonic.nc and all harmonic_*.nc.

    Args:
        folder: its name is the molecule's.
        beside: outcomes of "harmonic" that lie elsewhere, such as those of given labels.

    Raises:
        DensnetError: no such folder, or files of other verbs.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DensnetError(f"gallery: {folder}: expected the folder of a system below results/, found none")
    paths = dict.fromkeys([*sorted(folder.glob("harmonic*.nc")), *map(Path, beside)])
    harmonic: dict[str, xr.Dataset] = {}
    for path in paths:
        modes = read_dataset(path, stage="harmonic", variables=("wavenumber", "mode_vector", "numbers", "positions"))
        harmonic[HARMONIC_FILES.get(path.name, str(modes.attrs["method"]))] = modes
    comparison = folder / "comparison.nc"
    known = read_of_kind(comparison, "infrared", "compare") if comparison.exists() else None
    return GallerySystem(folder.resolve().name, harmonic, known)


def gallery(systems: Sequence[GallerySystem]) -> Gallery:
    """Return the tables of some molecules.

    Columns of ``molecules``, differences in 1/cm: ``model_from_reference_mean`` and ``_largest``, over modes that are
    paired by how the atoms move; of each method ``harmonic_NAME_mean`` and ``_largest``, over all fundamentals, and
    ``dynamics_NAME_mean`` and ``_largest``, over bands: from a band's highest maximum to the nearest of its
    fundamentals. What is unknown is NaN.

    Raises:
        DensnetError: no systems, or two of one name.
    """
    names = [system.name for system in systems]
    if not names or len(set(names)) < len(names):
        raise DensnetError(f"gallery: expected systems with different names, found {names}; name each once")
    parts = [_of_system(system) for system in systems]
    lines = [line for _, of_system, _ in parts for line in of_system]
    return Gallery(
        _frame(OF_MOLECULE, [row for row, _, _ in parts]).astype({"fundamentals": "Int64"}),
        _frame(OF_LINE, lines),
        tuple(f"{name}: {said}" for name, (_, _, remarks) in zip(names, parts, strict=True) for said in remarks),
    )


def _frame(first: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a table: those columns, then methods in one order, however many systems have them."""
    columns = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    order = ("harmonic_model", "harmonic_reference", "harmonic_", "dynamics_model", "dynamics_")

    def place(name: str) -> int:
        return next((k for k, start in enumerate(order, 1) if name.startswith(start)), 0)

    return pd.DataFrame(rows, columns=sorted(columns, key=place))


def _of_system(system: GallerySystem) -> tuple[dict[str, Any], list[dict[str, Any]], list[str]]:
    """Return the row of a molecule, those of its lines, and what there is to remark."""
    remarks = [f"no harmonic lines of the {name}" for name in (MODEL, REFERENCE) if name not in system.harmonic]
    for name, modes in system.harmonic.items():
        if count := int((modes["wavenumber"].values < DOWNWARD).sum()):
            remarks.append(f"{count} harmonic mode(s) of {_called(name, modes)} lead down from its saddle point")
    first = next(iter(system.harmonic.values()), None)
    row: dict[str, Any] = {"system": system.name, "formula": "" if first is None else _formula(first)}
    row["reference"] = str(system.harmonic[REFERENCE].attrs["method"]) if REFERENCE in system.harmonic else ""
    row |= _from_reference(system.harmonic, remarks)
    fundamentals, complete = _fundamentals(system.comparison)
    if not fundamentals:
        missing = "no comparison.nc" if system.comparison is None else "no published fundamentals"
        remarks.append(f"{missing}: its lines are beside no experiment")
        return row, [], remarks
    lines, matched, differences = _lines(system, fundamentals, complete, remarks)
    row |= {"fundamentals": len(lines), "matched": matched} | differences
    return row, lines, remarks


def _called(name: str, modes: xr.Dataset) -> str:
    return name if name == MODEL else str(modes.attrs["method"])


def _masses(modes: xr.Dataset) -> Array:
    return modes["masses"].values if "masses" in modes else atomic_masses[modes["numbers"].values]


def _formula(modes: xr.Dataset) -> str:
    return formula(modes["numbers"].values, modes["masses"].values if "masses" in modes else None)


def _from_reference(harmonic: Mapping[str, xr.Dataset], remarks: list[str]) -> dict[str, float]:
    """Return the mean and the largest difference of the model's harmonic lines from the reference's."""
    apart = np.array([np.nan])
    if MODEL in harmonic and REFERENCE in harmonic:
        modes, others = harmonic[MODEL], harmonic[REFERENCE]
        try:
            pairs = mode_pairs(modes, others, _masses(modes))
            apart = np.abs(modes["wavenumber"].values - others["wavenumber"].values[pairs])
        except DensnetError as error:
            remarks.append(str(error))
    return {"model_from_reference_mean": float(apart.mean()), "model_from_reference_largest": float(apart.max())}


def _fundamentals(comparison: xr.Dataset | None) -> tuple[list[Vibration], bool]:
    """Return the fundamentals of a molecule and whether they come with densnet, those no spectrum shows among them."""
    if comparison is None or "stick_wavenumber" not in comparison:
        return [], False
    known = all_vibrations(str(comparison.attrs["fundamentals"]))
    if known is not None:
        return known, True
    species, motions, x = (comparison[f"stick_{name}"].values for name in ("symmetry", "description", "wavenumber"))
    return [Vibration(*stick, "") for stick in zip(species, motions, x.tolist(), strict=True)], False


def _lines(
    system: GallerySystem, fundamentals: Sequence[Vibration], shipped: bool, remarks: list[str]
) -> tuple[list[dict[str, Any]], str, dict[str, float]]:
    """Return a row a fundamental, how lines were matched with them, and the differences of each method."""
    matchings: dict[str, Matching] = {}
    n_modes = {len(modes["wavenumber"]) for modes in system.harmonic.values()}
    rows = once_each(fundamentals, max(n_modes)) if n_modes else list(fundamentals)
    for name, modes in system.harmonic.items():
        vectors = modes["mode_vector"].values.reshape(modes.sizes["mode"], -1)
        species = species_of(_masses(modes), modes["positions"].values, vectors)
        matchings[name] = match(rows, modes["wavenumber"].values, species)
    if any(matching.how == "nearest" for matching in matchings.values()):
        remarks.append(f"{len(rows)} fundamentals for {max(n_modes)} vibrations: each has the nearest line")
    bands = dict(_bands(system.comparison)) if system.comparison is not None else {}
    differences: dict[str, float] = {}
    for name, matching in matchings.items():
        differences |= _difference(f"harmonic_{name}", matching.wavenumber - [known.wavenumber for known in rows])
    lines = []
    for number, known in enumerate(rows):
        line: dict[str, Any] = {
            "system": system.name,
            "species": known.species,
            "motion": motion(known.mode) if shipped else known.mode,
            "fundamental": known.wavenumber,
            "uncertainty": known.uncertainty,
        }
        line |= {f"harmonic_{name}": matching.wavenumber[number] for name, matching in matchings.items()}
        line |= {
            f"dynamics_{name}": _peak_of(known, system.comparison, of_regions)
            for name, (of_regions, _) in bands.items()
        }
        lines.append(line)
    for name, (_, apart) in bands.items():
        differences |= _difference(f"dynamics_{name}", apart)
    hows = {name: matching.how for name, matching in matchings.items()}
    matched = "/".join(dict.fromkeys(hows.values()))
    if len(set(hows.values())) > 1:
        remarks.append("lines are matched by " + ", ".join(f"{how} ({name})" for name, how in hows.items()))
    return lines, matched, differences


def _difference(name: str, apart: Array) -> dict[str, float]:
    known = np.abs(apart)[np.isfinite(apart)]
    mean, largest = (float(known.mean()), float(known.max())) if len(known) else (np.nan, np.nan)
    return {f"{name}_mean": mean, f"{name}_largest": largest}


def _bands(comparison: xr.Dataset) -> Iterator[tuple[str, tuple[Array, Array]]]:
    """Yield of each spectrum from dynamics its name, the peak of each region, and how far it is from the nearest of the
    region's fundamentals."""
    if "region" not in comparison.variables:
        return
    peers = str(comparison.attrs.get("peers", "")).split()
    described, sticks = comparison["stick_description"].values, comparison["stick_wavenumber"].values
    for name, label in {MODEL: MODEL, **peer_labels(peers)}.items():
        if f"region_{label}_peak" not in comparison:
            continue
        peaks = comparison[f"region_{label}_peak"].values
        apart = [
            np.abs(sticks[described == region] - peak).min()
            for region, peak in zip(comparison["region"].values, peaks, strict=True)
        ]
        yield name, (peaks, np.array(apart))


def _peak_of(known: Vibration, comparison: xr.Dataset | None, peaks: Array) -> float:
    """Return the peak of the region that a fundamental belongs to; NaN if it is not active or out of range."""
    if comparison is None:
        return np.nan
    same = (comparison["stick_wavenumber"].values == known.wavenumber) & (
        comparison["stick_symmetry"].values == known.species
    )
    regions = comparison["region"].values
    here = [k for k in range(len(regions)) if regions[k] in comparison["stick_description"].values[same]]
    return float(peaks[here[0]]) if here else np.nan
