"""Strained geometries: harmonic energies along modes, rigid torsions, resting centres of mass, shares and seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import starting_geometries
from densnet.errors import DensnetError
from densnet.io.netcdf import write_dataset
from densnet.molecule import Molecule, conformers, from_smiles
from densnet.potentials import named
from densnet.reference.sampling import METHOD_VERSION, plan_strain, sample_geometries
from densnet.reference.settings import SamplingSettings
from densnet.reference.strain import (
    KINDS,
    Minimum,
    StrainPlan,
    minimum_of,
    mode_path,
    pair_path,
    strained_frames,
    thermal,
    turned,
    turned_bonds,
)
from densnet.units import BOLTZMANN_IN_EV_PER_K, DALTON_ANGSTROM2_PER_FS2_IN_EV, SPEED_OF_LIGHT_IN_CM_PER_FS

GFN2 = named("gfn2-xtb")


@pytest.fixture(scope="module")
def water() -> Minimum:
    return minimum_of(from_smiles("O"), GFN2)


@pytest.fixture(scope="module")
def ethanol() -> Minimum:
    return minimum_of(from_smiles("CCO"), GFN2)


def plan(molecule: Molecule, frames: int, energy: float = 4.0) -> StrainPlan:
    return StrainPlan(index=0, molecule=molecule, frames=frames, energy=energy, temperature=500.0, seed=(1, 3, 0))


def test_water_has_three_modes_at_gfn2s_wavenumbers(water: Minimum) -> None:
    wavenumbers = np.sort(water.rates) / (2 * np.pi * SPEED_OF_LIGHT_IN_CM_PER_FS)
    assert wavenumbers == pytest.approx([1540, 3640, 3640], abs=80)


def test_energy_along_a_mode_is_harmonic_for_small_steps(water: Minimum) -> None:
    start, masses = water.positions, water.masses
    for seed in range(4):
        path = mode_path(water, start, np.random.default_rng(seed))
        # both directions, for the cubic term; what is left grows with s², 1e-3 of the energy here
        curvature = water.energy_at(path(0.02)) + water.energy_at(path(-0.02)) - 2 * water.energy_at(start)
        displaced = (path(1.0) - start) * np.sqrt(masses)[:, None]
        amplitudes = np.einsum("nix,ix->n", water.modes, displaced)
        assert curvature == pytest.approx(
            DALTON_ANGSTROM2_PER_FS2_IN_EV * ((water.rates * amplitudes) ** 2).sum() * 0.02**2, rel=0.02
        )


def test_thermal_displacements_are_worth_half_kt_a_mode(water: Minimum) -> None:
    start, random = water.positions, np.random.default_rng(0)
    energies = [water.energy_at(start + thermal(water, 20.0, random)) for _ in range(300)]
    # the mean of 300 times 3 squares of normal numbers scatters by sqrt(2 / 900) = 5 %
    assert np.mean(energies) == pytest.approx(1.5 * BOLTZMANN_IN_EV_PER_K * 20.0, rel=0.2)


def test_pairs_come_together_or_part_and_the_centre_of_mass_rests(ethanol: Minimum) -> None:
    base, masses = ethanol.positions, ethanol.masses
    for seed in range(12):
        path = pair_path(ethanol, base, np.random.default_rng(seed))
        moved = path(1.0) - base
        assert masses @ moved == pytest.approx(np.zeros(3), abs=1e-10)
        ratio = np.linalg.norm(path(1.0)[:, None] - path(1.0), axis=2)[np.triu_indices(9, 1)]
        ratio = ratio / np.linalg.norm(base[:, None] - base, axis=2)[np.triu_indices(9, 1)]
        assert np.isclose(ratio, 0.5).any() or np.isclose(ratio, 2.0).any()


def test_torsions_turn_a_rigid_side_by_the_angle(ethanol: Minimum) -> None:
    base = ethanol.positions
    bonds = turned_bonds(ethanol.steps)
    assert len(bonds) == 2, "C-C and C-O"
    for a, b in bonds:
        after = turned(base, ethanol.steps, a, b, 0.7)
        side = ethanol.steps[b] < ethanol.steps[a]
        assert side.sum() <= (~side).sum()
        for atoms in (side, ~side):
            before_distances, distances = (np.linalg.norm(r[atoms][:, None] - r[atoms], axis=2) for r in (base, after))
            assert distances == pytest.approx(before_distances, abs=1e-10)
        axis = (base[b] - base[a]) / np.linalg.norm(base[b] - base[a])
        far = int(np.flatnonzero(side & (np.arange(9) != b))[0])
        arms = [r[far] - r[b] - axis * (axis @ (r[far] - r[b])) for r in (base, after)]
        cosine = arms[0] @ arms[1] / np.prod([np.linalg.norm(arm) for arm in arms])
        assert np.arccos(cosine) == pytest.approx(0.7, abs=1e-8)


def test_rings_and_small_molecules_have_nothing_to_turn(water: Minimum) -> None:
    assert turned_bonds(water.steps) == []
    assert turned_bonds(minimum_of(from_smiles("C1CC1"), GFN2).steps) == []
    kinds = strained_frames(plan(from_smiles("O"), 6), GFN2)["kind"]
    assert set(kinds) <= {"pair", "mode"}


def test_strained_frames_cost_no_more_than_allowed_and_follow_from_the_seed(ethanol: Minimum) -> None:
    molecule = from_smiles("CCO")
    result, again = (strained_frames(plan(molecule, 12), GFN2) for _ in range(2))
    rise = result["energy"] - ethanol.energy
    assert (rise >= -1e-3).all() and (rise <= 4.0).all() and rise.max() > 0.5
    assert set(result["kind"]) <= set(KINDS)
    np.testing.assert_array_equal(result["positions"], again["positions"])
    with pytest.raises(DensnetError, match="strain_energy"):
        strained_frames(plan(molecule, 1, energy=-1.0), GFN2)


def test_conformers_take_turns() -> None:
    starts = conformers("CCO", count=8)
    assert len(starts) == 2, "anti, and gauche once: its mirror image and turned methyl groups are the same"
    plans = plan_strain(starts, SamplingSettings(n_train=20, strained_share=0.4))
    assert [(one.molecule is starts[0], one.frames) for one in plans] == [(True, 4), (False, 4)]
    assert sum(one.frames for one in plan_strain(starts, SamplingSettings(n_train=200, strained_share=0.5))) == 100
    assert plan_strain(starts, SamplingSettings(strained_share=0.0)) == []


def test_strained_frames_are_for_training_alone_and_dynamics_never_start_there(tmp_path: Path) -> None:
    settings = SamplingSettings(
        n_train=5, n_validation=2, n_test=2, strained_share=0.6, n_trajectories=1, n_test_trajectories=1,
        equilibration_fs=2.0, interval_fs=2.0, test_interval_fs=2.0,
    )  # fmt: skip
    data, _ = sample_geometries([from_smiles("O")], settings, GFN2, processes=1, output=tmp_path / "g.nc")
    strain, split = data["strain"].values, data["split"].values
    assert (strain[split == "train"] != "none").sum() == 3
    assert (strain[split != "train"] == "none").all()
    assert np.isnan(data["temperature"].values[strain != "none"]).all()
    assert np.isfinite(data["distance_to_train"].values[split != "train"]).all()
    write_dataset(data, tmp_path / "g.nc", stage="sample", method_version=METHOD_VERSION, settings={})
    starts, _, _ = starting_geometries(tmp_path / "g.nc", DynamicsSettings(replicas=4))
    plain = data["positions"].values[(split == "train") & (strain == "none")]
    assert all(any(np.array_equal(start, frame) for frame in plain) for start in starts)


@pytest.mark.parametrize(("field", "value"), [("strained_share", 1.0), ("strain_energy", 0.0)])
def test_impossible_strain_names_the_field(field: str, value: float) -> None:
    with pytest.raises(DensnetError, match=field):
        replace(SamplingSettings(), **{field: value})  # type: ignore[arg-type]
