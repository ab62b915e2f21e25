"""``densnet validate robustness``: pairs of atoms pushed together and pulled apart, and hot dynamics."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from densnet.cli.validate.options import LEVEL, MANY, MoleculeOptions, PotentialOptions, asking, recording
from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import Molecule, formula
from densnet.potential import Array
from densnet.potentials.choice import COMPUTED, Chosen
from densnet.reference.level import PROGRAMS, LevelOfTheory
from densnet.report.robustness_text import curves_text, failures_text, scan_text
from densnet.validation.curves import EnergyCurve, curve_findings, errors_along, read_curves
from densnet.validation.findings import Finding, findings_csv
from densnet.validation.pair_scan import (
    FACTORS,
    Moving,
    Scan,
    ScanPoints,
    read_scan,
    scan_summary,
    write_scan,
)
from densnet.validation.robustness import (
    failure_findings,
    point_findings,
    reference_points,
    remarkable_points,
    scan_findings,
    tested_points,
)
from densnet.validation.settings import FailureSettings
from densnet.validation.time_to_failure import time_to_failure


def robustness(
    tested: Annotated[PotentialOptions, Parameter(name="*")] = PotentialOptions(),
    *,
    given: Annotated[MoleculeOptions, Parameter(name="*")] = MoleculeOptions(),
    reference: str = "gfn2-xtb",
    level: Annotated[LevelOfTheory, Parameter(name="*")] = LEVEL,
    moving: Moving | None = None,
    factors: Annotated[tuple[float, ...], MANY] = (),
    temperatures: Annotated[tuple[float, ...], MANY] = (300.0, 500.0, 700.0, 1000.0),
    dynamics: Annotated[FailureSettings, Parameter(name="*")] = FailureSettings(),
    curve: Annotated[tuple[Path, ...], MANY] = (),
    output: Path | None = None,
    scan_output: Path | None = None,
) -> None:
    """Scan pairs of atoms beside a reference, and heat replicas until they fail.

    Every pair of atoms that is bonded or within 3.2 Å is set to 0.7 to 1.5 times its length in the reference's minimum.
    Points of Psi4 or PySCF are kept beside --scan-output until that is whole, and the same command goes on. Without a
    potential to test, the reference's scan is written alone.

    Parameters
    ----------
    reference
        gfn2-xtb, psi4, pyscf or another potential by its name, or a file of --scan-output (molecule and points too).
    moving
        What moves with a pair: both atoms (the default), the lighter alone, or what hangs on each.
    factors
        Of a pair's length, by default 0.7 0.8 0.9 1.1 1.2 1.3 1.4 1.5.
    temperatures
        K; none: no dynamics.
    curve
        Extended xyz files with energies in eV: the errors along these curves.
    output
        CSV of all numbers.
    scan_output
        NetCDF file of all points of the scan.
    """
    alone = scan_output is not None and output is None and not curve and not (tested.model or tested.calculator)
    ways = given.ways + ([] if reference in COMPUTED else ["--reference FILE"])
    if len(ways) > 1:
        raise DensnetError(f"molecule: expected one of --smiles, --xyz and --reference FILE, found {', '.join(ways)}")
    if not ways and not curve:
        raise DensnetError("molecule: expected --smiles, --xyz or --reference FILE, or --curve FILE, found none")
    if not all(0 < temperature < math.inf for temperature in temperatures):
        raise DensnetError(f"temperatures: expected positive numbers, found {' '.join(map(str, temperatures))}")
    if scan_output and scan_output.suffix != ".nc":
        raise DensnetError(f"scan-output: expected the name of a netCDF file (.nc), found {scan_output}")
    origin = _Origin(reference, given, factors, moving, scan_output)
    if alone:
        return origin.write(level)
    potential = tested.chosen(level, output)
    with recording(output):
        findings = _along_curves(potential, curve)
        if ways:
            molecule, minimum, of_scan = _scan(potential, origin, level)
            findings += of_scan + _heated(potential, molecule, minimum, temperatures, dynamics)
        if output:
            write_text(output, findings_csv(findings))
    potential.remove_parts()


@dataclass(frozen=True)
class _Origin:
    """Where the points of a scan come from, and where they go."""

    reference: str
    given: MoleculeOptions
    factors: tuple[float, ...]
    moving: Moving | None
    output: Path | None

    def computed(self, molecule: Molecule, level: LevelOfTheory) -> tuple[ScanPoints, Array, dict[str, Any], Chosen]:
        """Return points and energies of a reference that computes, what decided them, and the reference."""
        if self.reference in PROGRAMS and self.output is None:
            raise DensnetError(
                f"reference: {self.reference} takes long; expected --scan-output FILE.nc, beside which points are kept"
            )
        reference = Chosen(None, self.reference, level=level, output=self.output)
        points, energy = reference_points(
            reference, molecule, factors=self.factors or FACTORS, moving=self.moving or "both"
        )
        method = {"reference": self.reference}
        if self.reference in PROGRAMS:
            method = {"reference": level.name, **reference.level.decisive()}
        return points, energy, method, reference

    def write(self, level: LevelOfTheory) -> None:
        """Write the reference's points and energies alone."""
        if self.reference not in COMPUTED:
            raise DensnetError(f"reference: expected one of {', '.join(COMPUTED)}, found the file {self.reference}")
        molecule = self.given.molecule()
        points, energy, method, reference = self.computed(molecule, level)
        scan = Scan(points, np.full(len(energy), np.nan), energy)
        write_scan(scan, Path(str(self.output)), settings=method, charge=molecule.charge)
        reference.remove_parts()
        _progress(f"reference ({method['reference']}): {len(energy)} points")

    def read(self) -> tuple[ScanPoints, Array, dict[str, Any], int]:
        """Return points, energies, settings and charge of an earlier scan."""
        path = Path(self.reference)
        if self.factors:
            raise DensnetError("factors: those of --reference FILE are taken; leave --factors out")
        if self.output and self.output.resolve() == path.resolve():
            raise DensnetError("scan-output: is the file of --reference too; choose another name")
        if not path.is_file():
            raise DensnetError(
                f"reference: expected one of {', '.join(COMPUTED)} or a file of --scan-output, found {self.reference!r}"
            )
        scan, settings, charge = read_scan(path)
        if self.moving not in (None, scan.points.moving):
            raise DensnetError(f"moving: expected {scan.points.moving!r}, as in {path}, found {self.moving!r}")
        return scan.points, scan.reference, {name: settings[name] for name in settings if name != "tested"}, charge


def _scan(potential: Chosen, origin: _Origin, level: LevelOfTheory) -> tuple[Molecule, Array, list[Finding]]:
    """Print a scan, write it if that is asked for, and return molecule, tested minimum and findings."""
    began = time.monotonic()
    reference = None
    if origin.reference in COMPUTED:
        molecule = origin.given.molecule()
        # before the reference, which may take hours: a model that does not know the elements is refused here
        potential(molecule)
        points, energy, method, reference = origin.computed(molecule, level)
    else:
        points, energy, method, charge = origin.read()
        molecule = Molecule(points.numbers, points.minimum, charge)
        potential(molecule)
    _progress(f"reference ({method['reference']}): {len(energy)} points, {time.monotonic() - began:.0f} s")
    began = time.monotonic()
    with asking(potential):
        minimum, tested = tested_points(potential, molecule, points)
    _progress(f"{potential.name}: {len(tested)} points, {time.monotonic() - began:.0f} s")
    scan = Scan(points, tested, energy)
    if origin.output:
        write_scan(scan, origin.output, settings={**method, "tested": potential.name}, charge=molecule.charge)
        if reference:
            reference.remove_parts()
    summary = scan_summary(scan)
    remarkable, findings = remarkable_points(summary), scan_findings(scan, summary, minimum)
    print(f"{potential.name} beside {method['reference']}: {formula(points.numbers)}, moving {points.moving}\n")
    print(scan_text(findings, scan, summary, remarkable))
    return molecule, minimum, findings + point_findings(scan, remarkable)


def _heated(
    potential: Chosen, molecule: Molecule, minimum: Array, temperatures: Sequence[float], settings: FailureSettings
) -> list[Finding]:
    """Run replicas at every temperature, print how long they lasted, and return it."""
    if not temperatures:
        return []
    mover = potential(molecule, settings.replicas, lasting=True)
    with asking(potential):
        failures = [time_to_failure(mover, minimum, temperature, settings) for temperature in temperatures]
    print("\n" + failures_text(failures, settings))
    return [finding for hot in failures for finding in failure_findings(hot, settings)]


def _along_curves(potential: Chosen, paths: Sequence[Path]) -> list[Finding]:
    """Print the errors along curves of others, and return them."""
    errors: list[tuple[EnergyCurve, dict[float, float]]] = []
    # all files before any energy
    for path, curves in [(path, read_curves(path)) for path in paths]:
        if not curves:
            _progress(f"{path} is left out: every molecule in it has a single point")
        errors += [(curve, errors_along(curve, potential)) for curve in curves]
    if errors:
        print(curves_text(errors) + "\n")
    return [finding for curve, along in errors for finding in curve_findings(curve, along)]


def _progress(text: str) -> None:
    print(f"validate: {text}", file=sys.stderr, flush=True)
