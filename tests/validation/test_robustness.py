"""Robustness: holes are found and named, replicas fail one by one, and a sound potential passes both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.calculators.morse import MorsePotential
from numpy.typing import NDArray

from densnet.bonds import bonded, distances, joined_names
from densnet.dynamics.separate import Separate
from densnet.errors import DensnetError
from densnet.mechanics.relaxation import relaxed
from densnet.mechanics.wholeness import Wholeness
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities
from densnet.potentials.ase import AsePotential
from densnet.potentials.gfn2 import Gfn2
from densnet.validation.curves import curve_errors
from densnet.validation.pair_scan import (
    HOLE,
    Scan,
    ScanPoints,
    energies_above,
    read_scan,
    scan_points,
    scan_summary,
    write_scan,
)
from densnet.validation.settings import FailureSettings
from densnet.validation.time_to_failure import time_to_failure

ETHANOL = molecule("CH3CH2OH")
NUMBERS, POSITIONS = np.asarray(ETHANOL.numbers, dtype=np.int64), np.asarray(ETHANOL.positions)
CARBON_MONOXIDE = np.array([6, 8])
BOND = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.13]])
FORCE = 2e-3
"""eV/Angstrom, left by a relaxation."""
SETTINGS = FailureSettings(picoseconds=0.1, replicas=3)


@dataclass
class Springs(Potential):
    """Springs between all atoms, at rest in one geometry; a Gaussian well of some depth (eV) in one distance (Å).

    Attributes:
        loose: replicas without springs.
        void: replicas whose energy is not finite once this many calls have been made.
        batches: how many geometries each call had.
    """

    rest: Array
    stiffness: float = 5.0
    depth: float = 0.0
    pair: tuple[int, int] = (0, 1)
    centre: float = 0.0
    width: float = 0.1
    loose: tuple[int, ...] = ()
    void: dict[int, int] = field(default_factory=dict)
    name: str = "springs"
    batches: list[int] = field(default_factory=list)

    @property
    def numbers(self) -> NDArray[np.int64]:  # type: ignore[override]
        return NUMBERS if len(self.rest) == len(NUMBERS) else CARBON_MONOXIDE

    def __call__(self, positions: Array) -> Quantities:
        self.batches.append(len(positions))
        assert np.isfinite(positions).all()
        vectors = positions[:, :, None] - positions[:, None]
        r = distances(positions) + np.eye(positions.shape[1])
        stretch = r - (distances(self.rest) + np.eye(len(self.rest)))
        slope = self.stiffness * stretch
        energy = 0.25 * self.stiffness * (stretch**2).sum((1, 2))
        first, second = self.pair
        off = (r[:, first, second] - self.centre) / self.width
        well = -self.depth * np.exp(-0.5 * off**2)
        energy, pull = energy + well, -well * off / self.width
        slope[:, first, second] += pull
        slope[:, second, first] += pull
        forces = -np.einsum("rij,rijx->rix", slope / r, vectors)
        for replica in self.loose:
            energy[replica], forces[replica] = 0.0, 0.0
        for replica, calls in self.void.items():
            if len(self.batches) > calls:
                energy[replica], forces[replica] = np.nan, np.nan
        return {"energy": energy, "forces": forces}


class Refusing(Springs):
    """Springs that refuse geometries in which the first two atoms are nearer than at rest."""

    def __call__(self, positions: Array) -> Quantities:
        if (distances(positions)[:, 0, 1] < distances(self.rest)[0, 1] - 1e-9).any():
            raise DensnetError("no convergence")
        return super().__call__(positions)


def test_a_potential_has_no_holes_beside_itself() -> None:
    springs = Springs(POSITIONS)
    minimum = relaxed(springs, POSITIONS + np.random.default_rng(1).normal(0, 0.02, POSITIONS.shape), force=FORCE)
    # a force of 2e-3 eV/Å is left, against springs of 5 eV/Å²
    np.testing.assert_allclose(distances(minimum), distances(POSITIONS), atol=1e-3)
    points = scan_points(NUMBERS, minimum)
    energies = energies_above(springs, minimum, points.positions, batch=64)
    summary = scan_summary(Scan(points, energies, energies))
    assert summary.points == len(points.factors) == len(energies) and summary.left_out == 0
    assert len(summary.holes) == len(summary.without_energy) == 0
    assert summary.largest == summary.root_mean_square == summary.ninth_decile == 0
    assert set(springs.batches) == {1, 64}


def test_pairs_are_set_to_multiples_of_their_length_and_scanned_if_bonded_or_in_contact() -> None:
    for moving in ("both", "lighter", "fragments"):
        points = scan_points(NUMBERS, POSITIONS, factors=(0.7, 1.5), moving=moving)  # type: ignore[arg-type]
        first, second = points.pairs.T
        there, now = distances(POSITIONS)[first, second], distances(points.positions)
        np.testing.assert_allclose(now[np.arange(len(first)), first, second], there * points.factors)
        assert (there < 3.2).all() and (distances(POSITIONS) < 3.2).sum() - len(NUMBERS) == len(first)
    stretched = np.array([[0.0, 0, 0], [0, 0, 3.3]])
    assert len(scan_points(np.array([55, 55]), stretched).factors) == 8  # bonded beyond the contact
    assert points.name(0) == "C1-C2 x 0.7"


def moving_in(points: ScanPoints, name: str) -> list[int]:
    """Return the atoms that are elsewhere than at the minimum in the point of a name."""
    (point,) = [n for n in range(len(points.factors)) if points.name(n) == name]
    return np.flatnonzero(np.abs(points.positions[point] - points.minimum).max(axis=1) > 1e-9).tolist()


def test_the_lighter_atom_alone_moves_or_the_second_of_two_alike() -> None:
    points = scan_points(NUMBERS, POSITIONS, factors=(1.2,), moving="lighter")
    assert moving_in(points, "C1-C2 x 1.2") == [1]
    assert moving_in(points, "C2-O3 x 1.2") == [1]
    assert moving_in(points, "O3-H4 x 1.2") == [3]
    assert moving_in(points, "H5-H6 x 1.2") == [5]
    assert moving_in(scan_points(NUMBERS, POSITIONS, factors=(1.2,)), "C2-O3 x 1.2") == [1, 2]


def test_fragments_stay_rigid_and_atoms_as_near_to_either_stay() -> None:
    points = scan_points(NUMBERS, POSITIONS, factors=(1.3,), moving="fragments")
    methyl, rest = [0, 6, 7, 8], [1, 2, 3, 4, 5]
    (carbons,) = [n for n in range(len(points.factors)) if points.name(n) == "C1-C2 x 1.3"]
    for group in (methyl, rest):
        kept, before = distances(points.positions[carbons][group]), distances(POSITIONS[group])
        np.testing.assert_allclose(kept, before, atol=1e-12)
    assert moving_in(points, "C1-C2 x 1.3") == sorted(methyl + rest)
    # C2 and its hydrogens are as many bonds away from C1 as from O3
    assert moving_in(points, "C1-O3 x 1.3") == [0, 2, 3, 6, 7, 8]
    middle = POSITIONS[[0, 1]].mean(axis=0)
    np.testing.assert_allclose(points.positions[carbons][[0, 1]].mean(axis=0), middle, atol=1e-12)


def bonds() -> NDArray[np.bool_]:
    return bonded(NUMBERS, POSITIONS)


def test_a_hole_between_two_hydrogens_is_found_with_its_pair_and_factor() -> None:
    hydrogens = np.flatnonzero(NUMBERS == 1)
    pair = (int(hydrogens[-2]), int(hydrogens[-1]))
    length = distances(POSITIONS)[pair]
    sound = Springs(POSITIONS, 1.0)
    holed = Springs(POSITIONS, 1.0, depth=4.0, pair=pair, centre=0.8 * length, width=0.04)
    own = relaxed(holed, POSITIONS, force=FORCE)
    points = scan_points(NUMBERS, POSITIONS)
    scan = Scan(
        points,
        energies_above(holed, own, points.positions, batch=50),
        energies_above(sound, POSITIONS, points.positions, batch=1),
    )
    summary = scan_summary(scan)
    assert [points.name(n) for n in summary.holes] == [f"{joined_names(NUMBERS, pair)} x 0.8"]
    assert summary.worst == summary.holes[0]
    # the well is 4 eV deep there and does not reach the minimum, seven widths away or more
    assert summary.largest == pytest.approx(4.0, abs=0.01)
    assert scan.tested[summary.worst] < -HOLE < 0 < scan.reference[summary.worst]


def test_an_ase_calculator_gives_its_own_curve() -> None:
    morse = AsePotential(MorsePotential(epsilon=2.0, r0=1.13, rho0=5.0), Molecule(CARBON_MONOXIDE, BOND))
    minimum = relaxed(morse, BOND * 1.02, force=FORCE)
    assert distances(minimum)[0, 1] == pytest.approx(1.13, abs=1e-4)
    points = scan_points(CARBON_MONOXIDE, minimum)
    found = energies_above(Separate([morse] * 4), minimum, points.positions, batch=4)
    stretch = points.factors * distances(minimum)[0, 1] / 1.13 - 1
    # the minimum itself is 1e-7 eV high: a force of 2e-3 eV/Å is left, against 78 eV/Å²
    np.testing.assert_allclose(found, 2.0 * (1 - np.exp(-5.0 * stretch)) ** 2, atol=1e-7)
    assert set(morse(BOND[None])) == morse.quantities == {"energy", "forces"}
    with pytest.raises(DensnetError, match="calculator fails: PropertyNotImplementedError"):
        Separate([AsePotential(Calculator(), Molecule(CARBON_MONOXIDE, BOND))])(BOND[None])


def test_points_that_the_reference_gives_up_are_left_out_and_counted() -> None:
    points = scan_points(CARBON_MONOXIDE, BOND)
    reference = energies_above(Separate([Refusing(BOND)]), BOND, points.positions, batch=1)
    np.testing.assert_array_equal(np.isnan(reference), points.factors < 1)
    tested = energies_above(Springs(BOND), BOND, points.positions, batch=3)
    tested[0] = -9.0
    summary = scan_summary(Scan(points, tested, reference))
    assert (summary.points, summary.left_out, summary.compared, len(summary.holes)) == (5, 3, 5, 0)
    tested[5] = np.nan
    summary = scan_summary(Scan(points, tested, reference))
    assert (summary.compared, summary.without_energy.tolist(), summary.largest) == (4, [5], 0.0)


def test_walls_are_not_compared_but_holes_beside_them_count() -> None:
    points = scan_points(CARBON_MONOXIDE, BOND, factors=(0.7, 0.8, 1.2))
    summary = scan_summary(Scan(points, np.array([-5.0, 1.0, 2.5]), np.array([20.0, 1.5, 2.5])))
    assert summary.holes.tolist() == [0]
    assert (summary.compared, summary.largest, summary.worst) == (2, 0.5, 1)
    assert summary.root_mean_square == pytest.approx(0.5 / np.sqrt(2))
    assert summary.ninth_decile == pytest.approx(0.45)


def test_gfn2_holds_water_together() -> None:
    water = molecule("H2O")
    given = Molecule(water.numbers, water.positions)
    minimum = relaxed(Separate([Gfn2(given)]), given.positions, force=FORCE)
    replicas = Separate([Gfn2(given) for _ in range(2)])
    found = time_to_failure(replicas, minimum, 500.0, replace(SETTINGS, picoseconds=0.05, replicas=2))
    assert len(found.failed) == 0 and np.isnan(found.time).all() and found.reasons == ("", "")


def test_an_unbound_replica_fails_and_the_others_go_on_as_without_it() -> None:
    settings = replace(SETTINGS, picoseconds=3.0)
    whole = time_to_failure(Springs(BOND, 60.0), BOND, 1000.0, settings)
    assert len(whole.failed) == 0
    found = time_to_failure(Springs(BOND, 60.0, loose=(1,)), BOND, 1000.0, settings)
    assert found.failed.tolist() == [1]
    assert 0 < found.time[1] <= 3000 and found.reasons[1].startswith(("C1-O2 broken", "C1-O2 too close"))
    ratio = distances(found.positions[1])[0, 1] / (0.76 + 0.66)
    assert ratio > 2 or ratio < 0.55
    np.testing.assert_array_equal(found.positions[[0, 2]], whole.positions[[0, 2]])


def test_an_energy_that_is_not_finite_spares_the_other_replicas() -> None:
    whole = time_to_failure(Springs(BOND, 60.0), BOND, 300.0, SETTINGS)
    springs = Springs(BOND, 60.0, void={2: 41})  # one call at the start, one a step
    found = time_to_failure(springs, BOND, 300.0, SETTINGS)
    assert found.failed.tolist() == [2]
    assert found.time[2] == 41 * 0.5 and "not finite" in found.reasons[2]
    np.testing.assert_array_equal(found.positions[:2], whole.positions[:2])
    assert set(springs.batches) == {3}


def test_dynamics_that_fall_into_a_hole_fail_and_all_replicas_failed_end_them() -> None:
    slide = Springs(BOND, 0.5, depth=10.0, centre=1.4)
    found = time_to_failure(slide, BOND, 300.0, replace(SETTINGS, picoseconds=50.0))
    assert found.failed.tolist() == np.argsort(found.time, kind="stable").tolist()
    assert all("below the minimum" in reason for reason in found.reasons)
    assert len(slide.batches) == 1 + round(found.time.max() / 0.5)


def test_seeds_decide_the_trajectories() -> None:
    one, same, other = (
        time_to_failure(Springs(POSITIONS), POSITIONS, 700.0, replace(SETTINGS, seed=seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one.positions, same.positions)
    assert np.abs(one.positions - other.positions).max() > 0.01


def test_what_is_whole_and_what_is_not() -> None:
    whole = Wholeness(NUMBERS, POSITIONS)
    carbon, middle, oxygen = 0, 1, 2
    hydroxyl = int(np.flatnonzero(bonds()[oxygen] & (NUMBERS == 1))[0])
    methyl = int(np.flatnonzero(bonds()[carbon] & (NUMBERS == 1))[0])

    def fault(atom: int, place: Array) -> str:
        moved = POSITIONS.copy()
        moved[atom] = place
        return whole.faults(np.stack([POSITIONS, moved]))[1]

    assert whole.faults(POSITIONS[None]) == [""]
    away = POSITIONS[carbon] - POSITIONS[middle]
    away = away / np.linalg.norm(away)
    # a hydrogen taken from oxygen to methyl, 1.3 Å in front of the carbon, is no fault
    assert fault(hydroxyl, POSITIONS[carbon] + 1.3 * away) == ""
    assert fault(methyl, POSITIONS[carbon] + 6 * away) == f"H{methyl + 1} lost"
    # 0.55 x (0.76 + 0.31) = 0.589 Å
    towards = POSITIONS[methyl] - POSITIONS[carbon]
    towards = towards / np.linalg.norm(towards)
    assert fault(methyl, POSITIONS[carbon] + 0.60 * towards) == ""
    assert fault(methyl, POSITIONS[carbon] + 0.58 * towards).startswith(f"C1-H{methyl + 1} too close, 0.58")
    # C-O breaks beyond 2 x 1.42 Å; C and O that were not bonded may not come nearer than 1.15 x 1.42 Å
    along = (POSITIONS[oxygen] - POSITIONS[middle]) / distances(POSITIONS)[oxygen, middle]
    assert fault(oxygen, POSITIONS[middle] + 2.9 * along).startswith("C2-O3 broken, 2.90")
    assert "C1-O3 too close" in fault(oxygen, POSITIONS[carbon] + 1.55 * np.cross(away, [0.0, 0.0, 1.0]))


def test_a_scan_is_written_and_read(tmp_path: Path) -> None:
    points = scan_points(CARBON_MONOXIDE, BOND, factors=(0.8, 1.2), moving="lighter")
    scan = Scan(points, np.array([1.0, 2.0]), np.array([np.nan, 2.5]))
    write_scan(scan, tmp_path / "scan.nc", settings={"reference": "gfn2-xtb"}, charge=-1)
    read, settings, charge = read_scan(tmp_path / "scan.nc")
    assert (settings["reference"], charge, read.points.moving) == ("gfn2-xtb", -1, "lighter")
    for name in ("numbers", "minimum", "pairs", "factors", "positions"):
        np.testing.assert_array_equal(getattr(read.points, name), getattr(points, name))
    np.testing.assert_array_equal(read.reference, scan.reference)
    np.testing.assert_array_equal(read.tested, scan.tested)


def test_errors_of_a_curve_below_heights() -> None:
    reference = np.array([5.0, 1.5, 0.5, 0.0, 0.8, 3.0]) - 4000.0
    off = np.array([1.0, 0.3, 0.05, 0.0, -0.1, -0.5])
    found = curve_errors(reference + off + 7.0, reference)
    assert found == pytest.approx({1.0: 0.1, 2.0: 0.3, 4.0: 0.5})
    blown = np.where(reference > -3998.0, np.nan, reference)
    assert curve_errors(blown, reference) == pytest.approx({1.0: 0.0, 2.0: 0.0, 4.0: np.inf})
    for energies, other in (([1.0], [1.0, 2.0]), ([], []), ([1.0], [np.nan])):
        with pytest.raises(DensnetError, match="curve"):
            curve_errors(np.array(energies), np.array(other))


def test_impossible_requests_are_refused() -> None:
    for factors in ((), (0.0,), (1.0,), (-0.5, 1.2), (np.inf,)):
        with pytest.raises(DensnetError, match="factors"):
            scan_points(NUMBERS, POSITIONS, factors=factors)
    with pytest.raises(DensnetError, match="moving"):
        scan_points(NUMBERS, POSITIONS, moving="all")  # type: ignore[arg-type]
    with pytest.raises(DensnetError, match="no pair"):
        scan_points(NUMBERS[:1], POSITIONS[:1])
    with pytest.raises(DensnetError, match="picoseconds"):
        FailureSettings(picoseconds=0.0)
    with pytest.raises(DensnetError, match="temperature"):
        time_to_failure(Springs(BOND), BOND, -1.0, SETTINGS)
    with pytest.raises(DensnetError, match="not finite at the minimum"):
        time_to_failure(Springs(BOND, void={0: 0}), BOND, 300.0, SETTINGS)
    with pytest.raises(DensnetError, match="other bonds"):
        relaxed(Springs(3 * BOND), BOND, force=FORCE, same_bonds=True)
    with pytest.raises(DensnetError, match="not finite"):
        relaxed(Springs(BOND, void={0: 2}), 1.1 * BOND)
