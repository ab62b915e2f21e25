"""What scans of pairs and hot dynamics say of a potential, as findings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from densnet.bonds import distances
from densnet.molecule import Molecule
from densnet.potential import Array
from densnet.units import PS_IN_FS
from densnet.validation.findings import Finding
from densnet.validation.maker import Maker, minimum_of
from densnet.validation.pair_scan import (
    HOLE,
    SENSIBLE,
    Moving,
    Scan,
    ScanPoints,
    ScanSummary,
    energies_above,
    scan_points,
)
from densnet.validation.settings import FailureSettings
from densnet.validation.time_to_failure import Failures


def reference_points(
    reference: Maker, molecule: Molecule, *, factors: Sequence[float], moving: Moving
) -> tuple[ScanPoints, Array]:
    """Return the points of a scan from a reference's minimum, and its energies there in eV, (n,).

    Args:
        molecule: near its minimum.
        factors, moving: of :func:`densnet.validation.pair_scan.scan_points`.

    Raises:
        DensnetError: the reference has no minimum near, or no energy there.
    """
    potential = reference(molecule)
    points = scan_points(molecule.numbers, minimum_of(potential, molecule.positions), factors=factors, moving=moving)
    return points, energies_above(potential, points.minimum, points.positions, batch=reference.batch)


def tested_points(tested: Maker, molecule: Molecule, points: ScanPoints) -> tuple[Array, Array]:
    """Return the tested potential's own minimum (i, x) in Angstrom, and its energies of a scan above it in eV, (n,).

    Raises:
        DensnetError: the potential refuses the molecule, or has no minimum near the reference's.
    """
    minimum = minimum_of(tested(molecule), points.minimum)
    potential = tested(molecule, tested.batch or 1)
    return minimum, energies_above(potential, minimum, points.positions, batch=tested.batch)


def scan_findings(scan: Scan, summary: ScanSummary, minimum: Array) -> list[Finding]:
    """Return how far the tested energies of a scan are off, and how many lie below the minimum.

    Args:
        scan: of pairs of atoms.
        summary: of the same scan.
        minimum: Angstrom, (i, x), of the tested potential.
    """
    moving = f"moving {scan.points.moving}"
    sensible = f"{moving}; reference below {SENSIBLE:g} eV"
    apart = float(np.abs(distances(minimum) - distances(scan.points.minimum)).max())
    return [
        Finding("points", moving, summary.points, "1"),
        Finding("points left out, for the reference gave none", moving, summary.left_out, "1"),
        Finding("points without a finite energy", moving, len(summary.without_energy), "1"),
        Finding(f"points more than {HOLE:g} eV below the minimum", moving, len(summary.holes), "1"),
        Finding(f"points compared, the reference being below {SENSIBLE:g} eV", sensible, summary.compared, "1"),
        Finding("largest difference", sensible, summary.largest, "eV"),
        Finding("root mean square of the differences", sensible, summary.root_mean_square, "eV"),
        Finding("nine of ten differences are below", sensible, summary.ninth_decile, "eV"),
        Finding("a distance differs between both minima by at most", moving, apart, "Å"),
    ]


def remarkable_points(summary: ScanSummary) -> list[tuple[str, int]]:
    """Return the holes of a scan, the deepest first, and its worst point, each with its kind."""
    holes = [("deepest hole" if n == 0 else "hole", int(point)) for n, point in enumerate(summary.holes)]
    return holes + ([("worst point", summary.worst)] if summary.compared else [])


def point_findings(scan: Scan, points: Sequence[tuple[str, int]]) -> list[Finding]:
    """Return the energies of :func:`remarkable_points` by both potentials."""
    return [
        Finding(f"{kind}, {who}", f"moving {scan.points.moving}; {scan.points.name(point)}", float(energy[point]), "eV")
        for kind, point in points
        for who, energy in (("tested", scan.tested), ("reference", scan.reference))
    ]


def failure_findings(failures: Failures, settings: FailureSettings) -> list[Finding]:
    """Return how many replicas failed at one temperature, when and why."""
    temperature = f"{failures.temperature:g} K"
    condition = f"{temperature}; of {settings.replicas} in {settings.picoseconds:g} ps"
    times = [
        Finding(
            "time of failure",
            f"{temperature}; replica {replica + 1}; {failures.reasons[replica]}",
            float(failures.time[replica]) / PS_IN_FS,
            "ps",
        )
        for replica in failures.failed
    ]
    return [Finding("replicas that failed", condition, len(failures.failed), "1"), *times]
