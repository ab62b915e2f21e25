"""Does a potential stay one outside its labels? Pairs of atoms pushed together and pulled apart, and hot dynamics.

    python benchmarks/robustness.py models/ethanol.pt --smiles CCO --output models/ethanol_robustness.csv
    python benchmarks/robustness.py --calculator gfn2-xtb --smiles CCO
    python benchmarks/robustness.py --calculator mypackage.calculators:make --xyz molecule.xyz --charge 0
    python benchmarks/robustness.py models/ethanol.pt --smiles CCO --reference psi4 --scan-output scan.nc
    python benchmarks/robustness.py models/ethanol.pt --reference scan.nc
    python benchmarks/robustness.py models/ethanol.pt --curve ../shared/data/scans/ethanol_test_H_removal.xyz

First a scan from the reference's minimum: every pair of atoms that is bonded or within 3.2 Å, at 0.7 to 1.5 times its
length; how far the tested energies are off, and how many lie below the minimum (densnet/dynamics/pair_scan.py). Then
replicas at rising temperatures, each until it falls below the minimum, breaks or blows up (time_to_failure.py). Psi4's
points are kept beside --scan-output until that is whole, and the same command goes on; a file of --scan-output serves
as the reference of later scans. MODULE:CALLABLE is called without arguments and returns an ASE calculator; the charge
is its own affair. --curve prints the errors along curves of others instead, or besides if a molecule is given too.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import importlib
import io
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import xarray as xr
from densnet.dynamics.pair_scan import (
    FACTORS,
    HOLE,
    SENSIBLE,
    Moving,
    Scan,
    ScanPoints,
    ScanSummary,
    curve_errors,
    energies_above,
    read_scan,
    scan_points,
    scan_summary,
    write_scan,
)
from densnet.dynamics.time_to_failure import Failures, FailureSettings, time_to_failure
from numpy.typing import NDArray

from densnet.bonds import distances
from densnet.dynamics.separate import Separate
from densnet.errors import DensnetError
from densnet.io.netcdf import variable, write_text
from densnet.mechanics.relaxation import relaxed
from densnet.molecule import Molecule, formula, from_smiles, from_xyz
from densnet.potential import Array, Potential
from densnet.potentials import NAMED, named
from densnet.potentials.ase import AsePotential
from densnet.report.table import plain_table
from densnet.units import EV_IN_MEV

BATCH = 64
COMPUTED = ("gfn2-xtb", "psi4")
"""References that are not files."""
SHOWN = 10
"""Holes that are named."""
BELOW = (1.0, 2.0, 4.0)
PS_PER_FS = 1e-3
DEFAULT = FailureSettings()

FORCE, STEPS = 2e-3, 2000
"""Of a relaxation: eV/Angstrom left, for the rounding of single precision is below it, and steps at most."""

Make = Callable[[Molecule, int, bool], Potential]
"""From a molecule, a number of replicas, and whether there will be thousands of calls, to a potential."""
Row = tuple[str, str, float, str]
"""What, condition, value, unit."""


def main(arguments: list[str]) -> None:
    """Print the tables."""
    options = parsed(arguments)
    given = [name for name in ("smiles", "xyz") if getattr(options, name)]
    given += [] if options.reference in COMPUTED else ["reference FILE"]
    if len(given) > 1:
        raise DensnetError(f"molecule: expected one of --smiles, --xyz and --reference FILE, got {', '.join(given)}")
    if not given and not options.curve:
        raise DensnetError("molecule: expected --smiles, --xyz or --reference FILE, or --curve FILE")
    if not all(0 < temperature < np.inf for temperature in options.temperatures):
        raise DensnetError(f"temperatures: expected positive numbers, got {options.temperatures}")
    make, batch, name = tested_potential(options)
    settings = FailureSettings(
        picoseconds=options.picoseconds, replicas=options.replicas, timestep_fs=options.timestep_fs, seed=options.seed
    )
    rows: list[Row] = []
    if options.curve:
        rows += curves(options.curve, make, batch)
    if given:
        scan, own, charge = scanned(options, make, batch, name)
        rows += scan_rows(scan, scan_summary(scan), own)
        molecule = Molecule(scan.points.numbers, scan.points.minimum, charge)
        rows += dynamics(make, molecule, own, options.temperatures, settings)
    if options.output:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("what", "condition", "value", "unit"), *rows])
        write_text(options.output, text.getvalue())


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", nargs="?", type=Path, help="the potential to test: a model.pt ...")
    add("--calculator", help=f"... or {', '.join(NAMED)}, or MODULE:CALLABLE that returns an ASE calculator")
    add("--device", help="where a model computes; a GPU if there is one")
    add("--smiles", help="the molecule as SMILES ...")
    add("--xyz", type=Path, help="... or as an xyz file")
    add("--charge", type=int, default=0, help="total charge in e, with --xyz")
    add("--reference", default="gfn2-xtb", help="gfn2-xtb, psi4, or a file of --scan-output (molecule and points too)")
    add("--functional", default="PBE", help="with --reference psi4")
    add("--basis", default="def2-SVP", help="with --reference psi4")
    add("--dispersion", default="none", help="with --reference psi4: none or d4")
    add("--moving", choices=get_args(Moving), help="what moves with a pair (default: both)")
    add("--factors", type=float, nargs="+", help=f"of a pair's length (default: {' '.join(map(str, FACTORS))})")
    add("--temperatures", type=float, nargs="*", default=[300.0, 500.0, 700.0, 1000.0], help="K; none: no dynamics")
    add("--replicas", type=int, default=DEFAULT.replicas, help="at each temperature")
    add("--picoseconds", type=float, default=DEFAULT.picoseconds, help="of dynamics at each temperature")
    add("--timestep-fs", type=float, default=DEFAULT.timestep_fs, help="of dynamics")
    add("--seed", type=int, default=DEFAULT.seed, help="of velocities and noise")
    add("--output", type=Path, help="CSV of all numbers")
    add("--scan-output", type=Path, help="netCDF file of all points of the scan")
    add("--curve", type=Path, nargs="+", default=[], help="extended xyz files with energies in eV")
    return parser.parse_args(arguments)


def tested_potential(options: argparse.Namespace) -> tuple[Make, int, str]:
    """Return what makes the tested potential, geometries that it takes at once in a scan, and its name."""
    if (options.model is None) == (options.calculator is None):
        raise DensnetError("potential: expected either a model file or --calculator, found both or neither; give one")
    if options.calculator in NAMED:
        return partial(separate, options.calculator), 1, options.calculator
    if options.calculator is not None:
        factory = named_callable(options.calculator)

        def of_calculator(molecule: Molecule, replicas: int, lasting: bool) -> Potential:
            return Separate([AsePotential(factory(), molecule)] * replicas)

        return of_calculator, 1, options.calculator
    import torch

    from densnet.potentials.model import ModelPotential

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")

    def of_model(molecule: Molecule, replicas: int, lasting: bool) -> Potential:
        # to record a call takes seconds, and each number of neighbours in a scan would ask for it anew
        return ModelPotential.from_file(options.model, molecule.numbers, device=device, recorded=lasting)

    return of_model, BATCH, str(options.model)


def separate(name: str, molecule: Molecule, replicas: int, lasting: bool) -> Potential:
    """Return a potential by its name, one a replica; GFN2-xTB that does not converge in one spares the others."""
    return Separate([named(name)(molecule) for _ in range(replicas)])


def named_callable(name: str) -> Callable[[], Any]:
    """Return the factory that MODULE:CALLABLE names; modules of the working folder are found too."""
    module, _, attribute = name.partition(":")
    if not attribute:
        raise DensnetError(f"calculator: expected one of {', '.join(NAMED)} or MODULE:CALLABLE, got {name!r}")
    sys.path.append(os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise DensnetError(f"calculator: {name} cannot be imported ({error})") from error
    if not callable(found):
        raise DensnetError(f"calculator: expected {name} to be a callable without arguments, it is {found!r}")
    return found


def scanned(options: argparse.Namespace, make: Make, batch: int, name: str) -> tuple[Scan, Array, int]:
    """Return the scan, the tested potential's own minimum (i, x) and the charge; write the scan if asked for."""
    if options.scan_output and options.scan_output.suffix != ".nc":
        raise DensnetError(f"scan-output: expected the name of a netCDF file (.nc), got {options.scan_output}")
    began = time.monotonic()
    if options.reference in COMPUTED:
        molecule = from_smiles(options.smiles) if options.smiles else from_xyz(options.xyz, charge=options.charge)
        charge = molecule.charge
        # before the reference, which may take hours: a model that does not know the elements is refused here
        single = make(molecule, 1, False)
        points, reference, method = (by_gfn2 if options.reference == "gfn2-xtb" else by_psi4)(molecule, options)
    else:
        points, reference, method, charge = by_file(options)
        molecule = Molecule(points.numbers, points.minimum, charge)
        single = make(molecule, 1, False)
    progress(f"reference ({method['reference']}): {len(reference)} points, {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    own = relaxed(single, points.minimum, force=FORCE, steps=STEPS, same_bonds=True)
    tested = energies_above(make(molecule, batch, False), own, points.positions, batch=batch)
    progress(f"{name}: {len(tested)} points, {time.monotonic() - began:.0f} s")
    scan = Scan(points, tested, reference)
    if options.scan_output:
        write_scan(scan, options.scan_output, settings={**method, "tested": name}, charge=charge)
        # what Psi4 finished; the file is whole now
        for suffix in (".parts", ".labels.parts", ".points.parts") if options.reference == "psi4" else ():
            shutil.rmtree(options.scan_output.with_name(options.scan_output.name + suffix), ignore_errors=True)
    print(f"{name} beside {method['reference']}: {formula(points.numbers)}, moving {points.moving}\n")
    return scan, own, charge


def points_from(numbers: NDArray[np.int64], minimum: Array, options: argparse.Namespace) -> ScanPoints:
    """Return the points of a scan as the options want them."""
    return scan_points(numbers, minimum, factors=options.factors or FACTORS, moving=options.moving or "both")


def by_gfn2(molecule: Molecule, options: argparse.Namespace) -> tuple[ScanPoints, Array, dict[str, Any]]:
    """Return the points of the scan from GFN2-xTB's minimum, its energies there in eV, and what decided them."""
    potential = separate("gfn2-xtb", molecule, 1, False)
    minimum = relaxed(potential, molecule.positions, force=FORCE, steps=STEPS, same_bonds=True)
    points = points_from(molecule.numbers, minimum, options)
    return points, energies_above(potential, points.minimum, points.positions, batch=1), {"reference": "gfn2-xtb"}


def by_psi4(molecule: Molecule, options: argparse.Namespace) -> tuple[ScanPoints, Array, dict[str, Any]]:
    """Return the points of the scan from Psi4's minimum, its energies there in eV, and what decided them."""
    from densnet.potentials.psi4 import Psi4Potential
    from densnet.reference.labels import label_shard
    from densnet.reference.level import LevelOfTheory

    if options.scan_output is None:
        raise DensnetError("reference: psi4 takes long; expected --scan-output FILE.nc, beside which points are kept")
    level = LevelOfTheory(functional=options.functional, basis=options.basis, dispersion=options.dispersion)
    psi4 = Psi4Potential(molecule, level, options.scan_output)
    points = points_from(molecule.numbers, relaxed(psi4, molecule.positions), options)
    frames = np.concatenate([points.minimum[None], points.positions])
    geometries = xr.Dataset(
        {
            "numbers": variable(("atom",), molecule.numbers, "1", "atomic numbers"),
            "positions": variable(("frame", "atom", "x"), frames, "angstrom", "positions"),
            "split": variable(("frame",), np.full(len(frames), "test"), "1", "split"),
        },
        attrs={"charge": molecule.charge, "multiplicity": molecule.multiplicity},
    )
    output = options.scan_output.with_name(options.scan_output.name + ".points")
    energy = label_shard(geometries, level, shard=0, shards=1, output=output)[0]["energy"].values
    if not np.isfinite(energy[0]):
        raise DensnetError("psi4: the calculation at the minimum failed; see the warning above")
    return points, energy[1:] - energy[0], {"reference": level.name, **level.decisive()}


def by_file(options: argparse.Namespace) -> tuple[ScanPoints, Array, dict[str, Any], int]:
    """Return points, energies in eV, settings and charge of an earlier scan."""
    if options.factors:
        raise DensnetError("factors: those of --reference FILE are taken; leave --factors out")
    if options.scan_output and options.scan_output.resolve() == Path(options.reference).resolve():
        raise DensnetError("scan-output: is the file of --reference too; choose another name")
    if not Path(options.reference).is_file():
        raise DensnetError(
            f"reference: expected one of {', '.join(COMPUTED)} and a file of --scan-output, got {options.reference!r}"
        )
    scan, settings, charge = read_scan(Path(options.reference))
    if options.moving not in (None, scan.points.moving):
        raise DensnetError(f"moving: {options.reference} is a scan of {scan.points.moving!r}, not {options.moving!r}")
    return scan.points, scan.reference, {name: settings[name] for name in settings if name != "tested"}, charge


def scan_rows(scan: Scan, summary: ScanSummary, own: Array) -> list[Row]:
    """Print what a scan says, and return it."""
    points, moving = scan.points, f"moving {scan.points.moving}"
    apart = float(np.abs(distances(own) - distances(points.minimum)).max())
    sensible = f"{moving}; reference below {SENSIBLE:g} eV"
    rows: list[Row] = [
        ("points", moving, summary.points, "1"),
        ("points left out, for the reference gave none", moving, summary.left_out, "1"),
        ("points without a finite energy", moving, len(summary.without_energy), "1"),
        (f"points more than {HOLE:g} eV below the minimum", moving, len(summary.holes), "1"),
        (f"points compared, the reference being below {SENSIBLE:g} eV", sensible, summary.compared, "1"),
        ("largest difference", sensible, summary.largest, "eV"),
        ("root mean square of the differences", sensible, summary.root_mean_square, "eV"),
        ("nine of ten differences are below", sensible, summary.ninth_decile, "eV"),
        ("a distance differs between both minima by at most", moving, apart, "Å"),
    ]
    texts = [[what, f"{value:d}" if unit == "1" else f"{number(value, 3)} {unit}"] for what, _, value, unit in rows]
    print(plain_table(["scan of pairs", ""], texts))
    named = [("deepest hole" if n == 0 else "hole", point) for n, point in enumerate(summary.holes)]
    named += [("worst point", summary.worst)] if summary.compared else []
    for what, point in named:
        condition = f"{moving}; {points.name(point)}"
        rows.append((f"{what}, tested", condition, float(scan.tested[point]), "eV"))
        rows.append((f"{what}, reference", condition, float(scan.reference[point]), "eV"))
    shown = [*named[: min(SHOWN, len(summary.holes))], *named[len(summary.holes) :]]
    texts = [
        [f"{what}: {points.name(point)}", number(scan.tested[point], 2), number(scan.reference[point], 2)]
        for what, point in shown
    ]
    if texts:
        print("\n" + plain_table(["eV above the minimum", "tested", "reference"], texts))
    if len(summary.holes) > SHOWN:
        print(f"and {len(summary.holes) - SHOWN} more holes")
    return rows


def dynamics(
    make: Make,
    molecule: Molecule,
    own: Array,
    temperatures: list[float],
    settings: FailureSettings,
) -> list[Row]:
    """Run replicas at every temperature, print how long they lasted, and return it."""
    if not temperatures:
        return []
    potential = make(molecule, settings.replicas, True)
    found = [time_to_failure(potential, own, temperature, settings) for temperature in temperatures]
    rows: list[Row] = []
    for one in found:
        condition = f"{one.temperature:g} K; of {settings.replicas} in {settings.picoseconds:g} ps"
        rows.append(("replicas that failed", condition, len(one.failed), "1"))
        for replica in one.failed:
            condition = f"{one.temperature:g} K; replica {replica + 1}; {one.reasons[replica]}"
            rows.append(("time of failure", condition, float(one.time[replica]) * PS_PER_FS, "ps"))
    print(
        f"\ndynamics of {settings.replicas} replicas, {settings.picoseconds:g} ps, {settings.timestep_fs:g} fs a step\n"
    )
    texts = [[f"{one.temperature:g} K", f"{len(one.failed)} of {settings.replicas}", times(one)] for one in found]
    print(plain_table(["temperature", "failed", "after [ps]"], texts))
    for one in found:
        for replica in one.failed:
            after = f"{one.time[replica] * PS_PER_FS:.4f} ps"
            print(f"  {one.temperature:g} K, replica {replica + 1}, after {after}: {one.reasons[replica]}")
    return rows


def times(failures: Failures) -> str:
    """Return the times of failure in ps as a text."""
    return " ".join(f"{failures.time[replica] * PS_PER_FS:.3f}" for replica in failures.failed) or "–"


def curves(paths: list[Path], make: Make, batch: int) -> list[Row]:
    """Print the errors along curves of others, and return them."""
    rows: list[Row] = []
    texts = []
    for path in paths:
        groups = {key: curve for key, curve in curves_of(path).items() if len(curve[1]) > 1}
        if not groups:
            progress(f"{path} is left out: every molecule in it has a single point")
        for (numbers, kind), (positions, reference) in groups.items():
            size = min(batch, len(positions))
            lowest = positions[int(reference.argmin())]
            elements = np.array(numbers, dtype=np.int64)
            tested = energies_above(make(Molecule(elements, lowest), size, False), lowest, positions, batch=size)
            off = curve_errors(tested, reference, BELOW)
            name = f"{path.name} {kind or formula(numbers)}" if len(groups) > 1 else path.name
            texts.append([name, str(len(reference)), *(number(EV_IN_MEV * off[bound], 1) for bound in BELOW)])
            rows += [("largest error of a curve", f"{name}; below {b:g} eV", EV_IN_MEV * off[b], "meV") for b in BELOW]
    header = ["largest error [meV] of a curve", "points", *(f"below {bound:g} eV" for bound in BELOW)]
    if texts:
        print(plain_table(header, texts) + "\n")
    return rows


def curves_of(path: Path) -> dict[tuple[tuple[int, ...], str], tuple[Array, Array]]:
    """Return positions (t, i, x) in Angstrom and energies (t,) in eV of each molecule and ``config_type`` of a file."""
    from ase.io import read

    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected extended xyz with energies in eV")
    try:
        frames: Any = read(path, index=":", format="extxyz")
        energies = [float(one.info["energy"] if one.calc is None else one.get_potential_energy()) for one in frames]
    except Exception as error:  # ASE's reader raises many types: ValueError, KeyError, XYZError ...
        reason = (str(error).splitlines() or [""])[0]
        raise DensnetError(
            f"{path}: expected extended xyz with energies in eV ({type(error).__name__}: {reason})"
        ) from error
    groups: dict[tuple[tuple[int, ...], str], list[int]] = {}
    for index, one in enumerate(frames):
        key = tuple(int(z) for z in one.numbers), str(one.info.get("config_type", ""))
        groups.setdefault(key, []).append(index)
    return {
        key: (np.array([frames[n].positions for n in rows]), np.array([energies[n] for n in rows]))
        for key, rows in groups.items()
    }


def number(value: float, decimals: int) -> str:
    """Return a number as a text that stays short where a potential has no bottom."""
    return f"{value:.{decimals}f}" if abs(value) < 1e5 else f"{value:.1e}"


def progress(text: str) -> None:
    """Say on standard error what has been done."""
    print(f"robustness: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DensnetError as error:
        sys.exit(f"robustness: error: {error}")
