"""Evaluations and dynamics of short polyethylene, made up so that every number that is made of them is known."""

from __future__ import annotations

from pathlib import Path

import ase.data
import numpy as np
import xarray as xr

from densnet.io.netcdf import variable, write_dataset
from densnet.oligomer import oligomer
from densnet.spectra.assignment import PARTS


def evaluation(units: int, *, target: str = "delta", trained: str = "[1, 2]", error: float = 1.0) -> xr.Dataset:
    """Return two test frames of ethylene chains, whose errors all follow from one number."""
    chain = oligomer("*CC*", units, count=1)
    numbers = chain.molecules[0].numbers
    frame, n = ("frame",), len(numbers)
    positions = np.stack([chain.molecules[0].positions] * 2)
    forces = np.zeros((2, n, 3))
    forces[:, :, 0] = 0.003 * error * (1 + chain.unit)
    by_atom = np.zeros((2, 2, n))
    by_atom[0] = error * numbers / numbers.sum() * (1 + chain.unit)
    xyz = ("frame", "atom", "x")
    data = {
        "positions": variable(xyz, positions, "angstrom", "positions"),
        "numbers": variable(("atom",), numbers, "1", "numbers"),
        "unit": variable(("atom",), chain.unit, "1", "unit"),
        "torsion": variable(("link", "corner"), chain.torsions, "1", "torsions"),
        "energy_reference": variable(frame, np.zeros(2), "eV", "energy"),
        "energy_predicted": variable(frame, 0.001 * error * n * np.array([1, -1]), "eV", "energy"),
        "forces_reference": variable(xyz, np.zeros((2, n, 3)), "eV/angstrom", "forces"),
        "forces_predicted": variable(xyz, forces, "eV/angstrom", "forces"),
        "dipole_reference": variable(("frame", "x"), np.zeros((2, 3)), "e angstrom", "dipole"),
        "dipole_predicted": variable(("frame", "x"), error * np.array([[3.0, 4.0, 0.0]] * 2), "e angstrom", "dipole"),
        "nmae": variable(frame, by_atom[0].sum(1), "%", "NMAE"),
        "nmae_true": variable(frame, 2 * by_atom[0].sum(1), "%", "NMAE"),
        "floor_nmae": variable(frame, np.full(2, 0.1), "%", "floor"),
        "nmae_by_atom": variable(("pair", "frame", "atom"), by_atom, "%", "NMAE by atom"),
    }
    coords = {"pair": variable(("pair",), ["model-fit", "fit-true"], "1", "pair")}
    attrs = {"charge": 0, "target": target, "units_trained": trained}
    found = xr.Dataset(data, coords, attrs)
    return found if units > 1 else found.drop_vars("torsion")


def geometries(units: int) -> xr.Dataset:
    """Return the first frame of a chain's sampling, all anti, called a training frame."""
    chain = oligomer("*CC*", units, count=1)
    data = {
        "numbers": variable(("atom",), chain.molecules[0].numbers, "1", "numbers"),
        "positions": variable(("frame", "atom", "x"), chain.molecules[0].positions[None], "angstrom", "positions"),
        "split": variable(("frame",), ["train"], "1", "split"),
        "unit": variable(("atom",), chain.unit, "1", "unit"),
    }
    if units > 1:
        data["torsion"] = variable(("link", "corner"), chain.torsions, "1", "torsions")
    return xr.Dataset(data)


def trajectory(start: xr.Dataset) -> xr.Dataset:
    """Return two replicas that rest for 1 ps."""
    frames = np.tile(start["positions"].values[0], (2, 11, 1, 1)).astype(np.float32)
    energy = np.zeros((2, 11))
    return xr.Dataset(
        {
            "positions": variable(("replica", "time", "atom", "x"), frames, "angstrom", "positions"),
            "numbers": start["numbers"],
            "masses": variable(("atom",), ase.data.atomic_masses[start["numbers"].values], "Da", "masses"),
            "energy_potential": variable(("replica", "time"), energy, "eV", "energy"),
            "energy_kinetic": variable(("replica", "time"), energy, "eV", "energy"),
        },
        coords={"time": variable(("time",), np.arange(0.0, 1001.0, 100.0), "fs", "time")},
        attrs={"nve_drift_mev_per_atom_per_ps": 0.02, "ms_per_step_per_replica": 3.0},
    )


def spectrum(units: int) -> xr.Dataset:
    """Return a spectrum of two bands, at 800 and 3000 1/cm, that grows with the chain."""
    wavenumber = np.arange(100.0, 3500.0, 5.0)
    bands = units * (np.exp(-(((wavenumber - 800) / 20) ** 2)) + 0.5 * np.exp(-(((wavenumber - 3000) / 20) ** 2)))
    density = "km mol-1 cm"
    data = {
        "intensity": variable(("wavenumber",), bands, density, "intensity"),
        "intensity_error": variable(("wavenumber",), 0.1 * bands, density, "error"),
        "line_wavenumber": variable(("line",), np.array([800.0, 3000.0]), "cm-1", "line"),
        "line_intensity": variable(("line",), units * np.array([1.0, 0.5]), density, "line"),
    }
    coords = {"wavenumber": variable(("wavenumber",), wavenumber, "cm-1", "wavenumber")}
    attrs = {"temperature_k": 300.0, "n_replicas": 2, "ps_per_replica": 1.0, "window": "hann"}
    return xr.Dataset(data, coords, attrs | {"resolution_wavenumber": 20.0, "potential": "model"})


def assignment() -> xr.Dataset:
    """Return bends below and stretches above 2000 1/cm."""
    wavenumber = np.arange(100.0, 3500.0, 10.0)
    energy = np.zeros((len(PARTS), len(wavenumber)))
    energy[PARTS.index("bend"), wavenumber < 2000] = 1.0
    energy[PARTS.index("stretch"), wavenumber >= 2000] = 1.0
    coords = {
        "kind": variable(("kind",), list(PARTS), "1", "kind of motion"),
        "wavenumber": variable(("wavenumber",), wavenumber, "cm-1", "wavenumber"),
    }
    coords["name"] = variable(("name",), [f"C-H {kind}" for kind in PARTS], "1", "motion")
    data = {
        "kinetic_energy": variable(("kind", "wavenumber"), energy, "eV cm", "kinetic energy"),
        "kinetic_energy_by_name": variable(("name", "wavenumber"), energy, "eV cm", "kinetic energy"),
    }
    return xr.Dataset(data, coords, {"resolution_wavenumber": 20.0})


def harmonic(numbers: xr.DataArray, method: str) -> xr.Dataset:
    """Return two harmonic lines of a molecule."""
    data = {
        "wavenumber": variable(("mode",), np.array([820.0, 3050.0]), "cm-1", "wavenumber"),
        "intensity": variable(("mode",), np.array([40.0, 20.0]), "km/mol", "intensity"),
        "numbers": numbers,
    }
    return xr.Dataset(data, attrs={"method": method})


def write_chains(folder: Path, lengths: tuple[int, ...]) -> dict[str, list[Path]]:
    """Write the files of several lengths; return them by option of 'densnet chains'."""
    written: dict[str, list[Path]] = {}

    def write(option: str, dataset: xr.Dataset, stage: str) -> None:
        path = folder / f"{option}-{len(written.setdefault(option, []))}.nc"
        write_dataset(dataset, path, stage=stage, method_version=1, settings={})
        written[option].append(path)

    for units in lengths:
        start = geometries(units)
        write("geometries", start, "sample")
        write("trajectories", trajectory(start), "md")
        write("spectra", spectrum(units), "spectrum")
        write("assignments", assignment(), "assign")
        write("labels", start, "fit")
        write("harmonic", harmonic(start["numbers"], "model"), "harmonic")
    write("harmonic", harmonic(geometries(lengths[0])["numbers"], "HF/STO-3G"), "harmonic")
    return written
