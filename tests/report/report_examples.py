"""Small files with the schema of a run's: water with a real fitted density, everything else synthetic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.basis.conventions import to_canonical
from densnet.cli.compare import compare
from densnet.cli.metrics import metrics
from densnet.cli.spectrum import spectrum
from densnet.density.frame_errors import PAIRS, SHELLS
from densnet.density.surface import SCALES
from densnet.io.netcdf import variable, write_dataset
from densnet.spectra.assignment import PARTS
from densnet.spectra.settings import SpectrumSettings
from densnet.units import BOHR_IN_ANGSTROM, SPEED_OF_LIGHT_IN_CM_PER_FS

NUMBERS = np.array([8, 1, 1])
GEOMETRY = np.array([[0.0, 0.0, 0.117], [0.0, 0.757, -0.469], [0.0, -0.757, -0.469]])
N_FRAMES = 6
LEVEL = {"functional": "PBE", "basis": "def2-SVP", "dispersion": "none"}

Array = NDArray[np.float64]


def fitted_density(basis: Basis, orbital_basis: Basis, positions: Array) -> tuple[Array, Array, Array]:
    """Coulomb fit of water's Hartree-Fock/STO-3G density, its part in the s functions (a stand-in prior), orbitals."""
    from pyscf import scf

    bohr = positions / BOHR_IN_ANGSTROM
    field = scf.RHF(integrals.pyscf_mole(orbital_basis, NUMBERS, bohr)).run(verbose=0)
    order, sign = to_canonical("pyscf", integrals.shells_of(orbital_basis, NUMBERS))
    orbitals = field.mo_coeff[:, field.mo_occ > 0][order] * sign[:, None]
    J = integrals.coulomb(basis, NUMBERS, bohr)
    b = integrals.three_center(basis, orbital_basis, NUMBERS, bohr, 2 * orbitals @ orbitals.T)
    c = np.linalg.solve(J, b)
    s = np.flatnonzero(basis.layout(NUMBERS).l == 0)
    prior = np.zeros_like(c)
    prior[s] = np.linalg.solve(J[np.ix_(s, s)], b[s])
    return c, prior, orbitals


def write_labels_and_evaluation(folder: Path) -> None:
    rng = np.random.default_rng(3)
    basis = Basis.from_name("def2-SVP-JKFIT", NUMBERS)
    positions = GEOMETRY + 0.03 * rng.normal(size=(N_FRAMES, 3, 3))
    orbital_basis = Basis.from_name("STO-3G", NUMBERS)
    fits = [fitted_density(basis, orbital_basis, x) for x in positions]
    c, prior = np.array([fit[0] for fit in fits]), fits[0][1]
    predicted = c + 0.03 * (c - prior) * rng.normal(size=c.shape)
    energy, forces = rng.normal(size=N_FRAMES), rng.normal(size=(N_FRAMES, 3, 3))
    dipole = np.tile([0.0, 0.0, -0.4], (N_FRAMES, 1)) + 0.02 * rng.normal(size=(N_FRAMES, 3))

    def noisy(values: Array, size: float) -> Array:
        return values + size * rng.normal(size=values.shape)

    def spread(value: float) -> Array:
        return value * np.exp(0.2 * rng.normal(size=N_FRAMES))

    frames = ("frame",)
    coords = {"frame": variable(frames, np.arange(40, 40 + N_FRAMES), "1", "index of the geometry")}
    common = {
        "positions": variable(("frame", "atom", "x"), positions, "Angstrom", "positions"),
        "numbers": variable(("atom",), NUMBERS, "1", "atomic numbers"),
        "coefficients": variable(("frame", "k"), c, "bohr^-1.5", "fitted"),
        "prior": variable(("k",), prior, "bohr^-1.5", "free atoms"),
    }
    orbitals = variable(("frame", "ao", "occupied"), np.array([fit[2] for fit in fits]), "bohr^-1.5", "orbitals")
    labels = xr.Dataset(common | {"orbitals": orbitals}, coords=coords).assign_attrs(
        fit_basis=basis.to_json(), orbital_basis=orbital_basis.to_json(), psi4_version="1.9.1", **LEVEL
    )
    write_dataset(labels, folder / "labels.nc", stage="fit", method_version=1, settings={"fit_basis": basis.name})
    evaluation = xr.Dataset(
        common
        | {
            "distance_to_train": variable(frames, spread(0.05), "Angstrom", "distance to the nearest training frame"),
            "coefficients_predicted": variable(("frame", "k"), predicted, "bohr^-1.5", "predicted"),
            "energy_reference": variable(frames, energy, "eV", "energy"),
            "energy_predicted": variable(frames, noisy(energy, 0.01), "eV", "energy"),
            "forces_reference": variable(("frame", "atom", "x"), forces, "eV/Angstrom", "forces"),
            "forces_predicted": variable(("frame", "atom", "x"), noisy(forces, 0.03), "eV/Angstrom", "forces"),
            "dipole_reference": variable(("frame", "x"), dipole, "e Angstrom", "dipole"),
            "dipole_predicted": variable(("frame", "x"), noisy(dipole, 0.002), "e Angstrom", "dipole"),
            "nmae": variable(frames, spread(0.3), "%", "model against fit"),
            "nmae_true": variable(frames, spread(1.1), "%", "model against Kohn-Sham"),
            "floor_nmae": variable(frames, spread(1.0), "%", "fit against Kohn-Sham"),
            "prior_nmae": variable(frames, spread(8.0), "%", "prior against fit"),
            "coulomb_error": variable(frames, spread(0.05), "mHa", "self-energy of the error"),
            "charge_error": variable(frames, 1e-7 * rng.normal(size=N_FRAMES), "e", "charge error"),
            "prior_negative_volume": variable(frames, spread(70.0), "%", "where the fit is below the prior"),
            "has_orbitals": variable(frames, np.ones(N_FRAMES, dtype=np.int8), "1", "whether orbitals are known"),
            **{
                name: variable(("pair", "frame", *dims), by_pair(rng, size, shape), units, name)
                for name, (dims, shape, size, units) in BY_PAIR.items()
            },
        },
        coords=coords | {"pair": list(PAIRS), "shell": list(SHELLS), "scale": list(SCALES)},
    ).assign_attrs(fit_basis=basis.to_json(), n_train=100, seed=11, density_ms_per_frame=3.0, prior_ms_per_frame=0.2)
    write_dataset(evaluation, folder / "evaluation.nc", stage="evaluate", method_version=1, settings={})


BY_PAIR: dict[str, tuple[tuple[str, ...], tuple[int, ...], float, str]] = {
    "nmae_by_atom": (("atom",), (3,), 0.1, "%"),
    "nmae_by_shell": (("shell",), (len(SHELLS),), 0.05, "%"),
    "overlap_error_relative": ((), (), 0.1, "%"),
    "potential_rms_error": ((), (), 10.0, "mV"),
    "potential_max_error": ((), (), 30.0, "mV"),
    "potential_relative_error": ((), (), 3.0, "%"),
    "potential_rms_by_scale": (("scale",), (len(SCALES),), 10.0, "mV"),
}
"""Measures of all pairs of densities: further dimensions, their sizes, a typical value, units."""


def by_pair(rng: np.random.Generator, size: float, shape: tuple[int, ...]) -> Array:
    """Random values that are largest for the prior and smallest for the model against the fit."""
    values = size * np.exp(0.2 * rng.normal(size=(len(PAIRS), N_FRAMES, *shape)))
    return values * np.array([1.0, 3.0, 2.0, 30.0]).reshape((-1,) + (1,) * (values.ndim - 1))


def write_trajectory(path: Path, potential: str, shift: float) -> None:
    """Replicas whose dipoles oscillate at water's wavenumbers and whose energies drift a little."""
    rng = np.random.default_rng(5)
    n_replicas, n_times, interval = 8, 5000, 0.5
    time = np.arange(n_times) * interval
    dipole = np.zeros((n_replicas, n_times, 3))
    for axis, (wavenumber, amplitude) in enumerate(((1600.0, 0.02), (3660.0, 0.004), (3760.0, 0.012))):
        phase = 2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS * (wavenumber + shift) * time
        size = amplitude * (1 + 0.2 * rng.normal(size=(n_replicas, 1)))
        dipole[:, :, axis] = size * np.cos(phase + rng.uniform(0, 6.28, (n_replicas, 1)))
    drift = 1e-6 * rng.normal(size=(n_replicas, 1)) * time
    kinetic = 0.1 + 0.02 * np.sin(0.3 * time)[None, :] + drift
    noise = 1e-4 * rng.normal(size=(n_replicas, n_times))
    dataset = xr.Dataset(
        {
            "dipole": variable(("replica", "time", "x"), dipole, "e Angstrom", "dipole"),
            "energy_kinetic": variable(("replica", "time"), kinetic, "eV", "kinetic energy"),
            "domain_distance": variable(("replica", "time"), np.zeros_like(kinetic), "1", "domain distance"),
            "energy_potential": variable(("replica", "time"), 0.1 - kinetic + 2 * drift + noise, "eV", "energy"),
            "numbers": variable(("atom",), NUMBERS, "1", "atomic numbers"),
        },
        coords={"time": variable(("time",), time, "fs", "time")},
    ).assign_attrs(
        potential=potential,
        timestep_fs=interval,
        stride=1,
        temperature_k=300.0,
        ms_per_step_per_replica=0.7,
        nve_drift_mev_per_atom_per_ps=0.21,
    )
    write_dataset(dataset, path, stage="md", method_version=1, settings={})


def write_motions(folder: Path) -> None:
    """Kinetic energy of a bend at 1600 and of stretches at 3700 1/cm, and the harmonic lines of two methods there."""
    wavenumber = np.arange(100.0, 4500.0, 10.0)
    energy = np.zeros((len(PARTS), len(wavenumber)))
    for kind, place in (("bend", 1600.0), ("stretch", 3700.0)):
        energy[PARTS.index(kind)] = 1e-4 * np.exp(-(((wavenumber - place) / 60.0) ** 2))
    energy[PARTS.index("rest")] = 1e-7
    coords = {
        "kind": variable(("kind",), list(PARTS), "1", "kind of motion"),
        "wavenumber": variable(("wavenumber",), wavenumber, "cm-1", "wavenumber"),
    }
    names = ["O-H stretch", "H-O-H bend"]
    by_name = energy[[PARTS.index(name.split()[-1]) for name in names]]
    coords["name"] = variable(("name",), names, "1", "motion")
    data = {
        "kinetic_energy": variable(("kind", "wavenumber"), energy, "eV cm", "kinetic energy"),
        "kinetic_energy_by_name": variable(("name", "wavenumber"), by_name, "eV cm", "kinetic energy"),
    }
    assignment = xr.Dataset(data, coords, {"resolution_wavenumber": 25.0})
    write_dataset(assignment, folder / "assignment.nc", stage="assign", method_version=1, settings={})
    for name, method in (("", "model"), ("_psi4", "PBE/def2-SVP")):
        modes = xr.Dataset(
            {
                "wavenumber": variable(("mode",), np.array([1650.0, 3700.0, 3800.0]), "cm-1", "wavenumber"),
                "intensity": variable(("mode",), np.array([60.0, 4.0, 30.0]), "km/mol", "intensity"),
            },
            attrs={"method": method},
        )
        write_dataset(modes, folder / f"harmonic{name}.nc", stage="harmonic", method_version=1, settings={})


def write_log(path: Path, columns: list[str]) -> None:
    lines = [",".join(["step", "seconds", "train_loss", *columns, "learning_rate"])]
    for step in range(10, 2001, 10):
        falling = 5.0 / step + 0.002
        validation = [f"{falling * (n + 1):.5g}" if step % 100 == 0 else "" for n in range(len(columns))]
        lines.append(",".join([str(step), f"{step * 0.05:.2f}", f"{falling:.5g}", *validation, "1e-3"]))
    path.write_text("\n".join(lines) + "\n")


def write_benchmarks(folder: Path) -> None:
    header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for name, seconds, memory in (
        ("sample", 31.2, "310.5"),
        ("label/0", 62.0, "480.1"),
        ("label/1", 58.4, "482.9"),
        ("train_density", 240.3, "900.0"),
        ("spectrum", 1.1, "-"),
    ):
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{header}{seconds}\t0:00:00\t{memory}\t1\t1\t1\t0\t0\t90\t1\n")


def write_run(folder: Path) -> dict[str, Any]:
    """Write every file that figures and report read; return their paths by option."""
    folder.mkdir(parents=True, exist_ok=True)
    write_labels_and_evaluation(folder)
    for name, potential, shift in (("", "model", 0.0), ("_gfn2", "gfn2-xtb", -80.0)):
        write_trajectory(folder / f"trajectory{name}.nc", potential, shift)
        spectrum(
            trajectory=folder / f"trajectory{name}.nc",
            output=folder / f"spectrum{name}.nc",
            settings=SpectrumSettings(resolution=25.0),
        )
    compare(
        spectrum=folder / "spectrum.nc",
        peer=[folder / "spectrum_gfn2.nc"],
        fundamentals="water",
        output=folder / "comparison.nc",
    )
    metrics(
        evaluation=folder / "evaluation.nc",
        trajectory=folder / "trajectory.nc",
        comparison=folder / "comparison.nc",
        output=folder / "metrics.json",
    )
    write_log(
        folder / "density.csv", ["validation_loss", "validation_coulomb_error_mha", "validation_dipole_mae_debye"]
    )
    write_log(folder / "energy.csv", ["validation_force_mae_mev_per_angstrom", "validation_energy_mae_mev_per_atom"])
    write_benchmarks(folder / "benchmarks")
    write_motions(folder)
    (folder / "config.json").write_text(json.dumps({"seed": 11}))
    return {
        "metrics": folder / "metrics.json",
        "labels": folder / "labels.nc",
        "evaluation": folder / "evaluation.nc",
        "density_log": folder / "density.csv",
        "energy_log": folder / "energy.csv",
        "trajectory": folder / "trajectory.nc",
        "spectrum": folder / "spectrum.nc",
        "comparison": folder / "comparison.nc",
        "peer_trajectory": [folder / "trajectory_gfn2.nc"],
        "peer_spectrum": [folder / "spectrum_gfn2.nc"],
        "benchmarks": folder / "benchmarks",
        "assignment": folder / "assignment.nc",
        "harmonic": [folder / "harmonic.nc", folder / "harmonic_psi4.nc"],
    }


def write_manifest(
    path: Path, run: dict[str, Any], figures: Path, names: tuple[str, ...] = ("water",), **more: Any
) -> Path:
    """Write the manifest of a run whose systems are all the same, and whatever else it has."""
    files = {name: str(run[name]) for name in ("metrics", "labels", "comparison", "assignment")}
    files |= {"figures": [str(picture) for picture in sorted(figures.iterdir())]}
    path.write_text(json.dumps({"name": "try & more", "systems": [{"name": name, **files} for name in names], **more}))
    return path
