"""Dynamics: energy kept, temperature reached, restart exact, lost atoms noticed, the peer equal to ASE's."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import ase.data
import numpy as np
import pytest
import torch
from ase import Atoms
from tblite.ase import TBLite

from densnet.dynamics import simulation
from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import nve_drift, simulate
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset
from densnet.mechanics.integrators import State, langevin, thermal_velocities, velocity_verlet, without_drift
from densnet.models.domain import Domain
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities
from densnet.potentials import named
from densnet.processes.replicas import ReplicaProcesses
from densnet.units import BOLTZMANN_IN_EV_PER_K, EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2

HYDROGEN_FLUORIDE = np.array([9, 1])
SPRING, LENGTH = 60.0, 0.92
"""eV/Angstrom² and Angstrom."""


class Spring(Potential):
    """A harmonic diatomic with opposite charges of 0.4 e."""

    name = "spring"
    numbers = HYDROGEN_FLUORIDE
    quantities = frozenset({"energy", "forces", "dipole"})

    def __call__(self, positions: Array) -> Quantities:
        bond = positions[:, 1] - positions[:, 0]
        r = np.linalg.norm(bond, axis=1)
        pull = (SPRING * (r - LENGTH) / r)[:, None] * bond
        energy, forces = 0.5 * SPRING * (r - LENGTH) ** 2, np.stack([pull, -pull], axis=1)
        return {"energy": energy, "forces": forces, "dipole": 0.4 * bond}


def start(replicas: int) -> Array:
    positions = np.zeros((replicas, 2, 3))
    positions[:, 1, 2] = LENGTH
    return positions


SETTINGS = DynamicsSettings(replicas=3, thermalise_ps=0.05, production_ps=0.1, timestep_fs=0.25, chunk_steps=100)


def run(output: Path, settings: DynamicsSettings = SETTINGS) -> None:
    simulate(Spring(), start(settings.replicas), settings, output=output, provenance={"spring": 1})


def test_constant_energy_and_frequency() -> None:
    masses = ase.data.atomic_masses[HYDROGEN_FLUORIDE]
    positions = start(1)
    positions[:, 1, 2] += 0.02
    state = State(positions, np.zeros_like(positions), Spring()(positions))
    lengths, energies = [], []
    for _ in range(4000):
        state = velocity_verlet(state, Spring(), masses, 0.1)
        lengths.append(state.positions[0, 1, 2] - state.positions[0, 0, 2])
        energies.append(float((state.quantities["energy"] + state.kinetic_energy(masses))[0]))
    reduced = masses.prod() / masses.sum()
    omega = np.sqrt(SPRING / reduced * EV_PER_ANGSTROM_PER_DALTON_IN_ANGSTROM_PER_FS2)
    expected = LENGTH + 0.02 * np.cos(omega * 0.1 * np.arange(1, 4001))
    # velocity Verlet's frequency is off by (ω Δt)²/24, 2e-4 rad over the run of 400 fs at ω = 0.8/fs: 0.02 x 0.08
    np.testing.assert_allclose(lengths, expected, atol=2e-3)
    assert np.ptp(energies) < (omega * 0.1) ** 2 * max(energies)


def test_langevin_reaches_the_temperature_in_both_energies() -> None:
    masses = ase.data.atomic_masses[HYDROGEN_FLUORIDE]
    generator = np.random.default_rng(5)
    replicas = 400
    state = State(start(replicas), np.zeros((replicas, 2, 3)), Spring()(start(replicas)))
    kinetic, potential = [], []
    for step in range(1500):
        state = langevin(state, Spring(), masses, 0.5, 400.0, 0.02, generator)
        if step >= 500 and step % 10 == 0:
            kinetic.append(state.kinetic_energy(masses).mean())
            potential.append(state.quantities["energy"].mean())
    thermal = BOLTZMANN_IN_EV_PER_K * 400.0
    # 400 replicas, some ten correlation times: a standard error of about 2 % for one degree of freedom
    assert np.mean(kinetic) == pytest.approx(6 * thermal / 2, rel=0.03)
    assert np.mean(potential) == pytest.approx(thermal / 2, rel=0.08)


def test_velocities_have_no_drift_and_the_right_width() -> None:
    masses = np.array([1.0, 16.0])
    velocities = thermal_velocities((20000, 2, 3), masses, 300.0, np.random.default_rng(1))
    ratio = velocities[:, 0].std() / velocities[:, 1].std()
    assert ratio == pytest.approx(4.0, rel=0.02)
    still = without_drift(velocities, masses)
    np.testing.assert_allclose(np.einsum("i,rix->rx", masses, still), 0, atol=1e-12)


def test_trajectory_is_complete_and_drift_is_measured(tmp_path: Path) -> None:
    run(tmp_path / "trajectory.nc")
    data = read_dataset(tmp_path / "trajectory.nc", stage="md")
    assert dict(data.sizes) == {"replica": 3, "time": 200, "atom": 2, "x": 3}
    assert float(data["time"][1]) == 0.5
    bond = data["positions"].isel(atom=1) - data["positions"].isel(atom=0)
    np.testing.assert_allclose(data["dipole"].values, 0.4 * bond.values, atol=1e-6)
    assert data.attrs["nve_drift_mev_per_atom_per_ps"] < 1.0
    assert not (tmp_path / "trajectory.nc.parts").exists()
    times = np.linspace(0, 1000, 11)
    slope = 1.0 + 2e-3 * np.array([[1.0], [-1.0]]) * times / 1000
    assert nve_drift(slope, times, 2) == pytest.approx(1.0)


@pytest.mark.parametrize("damage", ["none", "truncate"])
def test_a_killed_run_ends_at_the_same_trajectory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    run(tmp_path / "a.nc")
    chunk, done = simulation._run_chunk, []

    def killed(*args: object) -> tuple[Array, Array]:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(args)
        return chunk(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(simulation, "_run_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b.nc")
    monkeypatch.setattr(simulation, "_run_chunk", chunk)
    if damage == "truncate":
        part = tmp_path / "b.nc.parts" / "00002.npz"
        part.write_bytes(part.read_bytes()[:500])
    run(tmp_path / "b.nc")
    a, b = (read_dataset(tmp_path / name, stage="md") for name in ("a.nc", "b.nc"))
    for name in ("positions", "velocities", "dipole", "energy_potential"):
        np.testing.assert_array_equal(a[name].values, b[name].values)


def test_parts_of_other_settings_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulation, "_write_trajectory", stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t.nc")
    monkeypatch.undo()
    run(tmp_path / "t.nc", replace(SETTINGS, seed=9))
    run(tmp_path / "fresh.nc", replace(SETTINGS, seed=9))
    found, expected = (read_dataset(tmp_path / name, stage="md")["dipole"].values for name in ("t.nc", "fresh.nc"))
    np.testing.assert_array_equal(found, expected)


def test_a_collapsed_pair_is_lost_too() -> None:
    apart, together = np.zeros((2, 1, 2, 3))
    apart[0, 1, 2], together[0, 1, 2] = 0.92, 0.4
    positions = np.concatenate([apart, together])
    with pytest.raises(DensnetError, match=r"replica\(s\) \[1\] lost"):
        simulation._check_whole(positions, {"energy": np.zeros(2)}, HYDROGEN_FLUORIDE, 0)
    simulation._check_whole(apart, {"energy": np.zeros(1)}, HYDROGEN_FLUORIDE, 0)


def test_a_lost_atom_is_named(tmp_path: Path) -> None:
    class Repulsion(Spring):
        def __call__(self, positions: Array) -> Quantities:
            spring = super().__call__(positions)
            return {"energy": -spring["energy"], "forces": -spring["forces"], "dipole": spring["dipole"]}

    with pytest.raises(DensnetError, match=r"replica\(s\) \[0, 1, 2\] lost an atom"):
        simulate(Repulsion(), start(3), SETTINGS, output=tmp_path / "t.nc", provenance={"spring": -1})


@pytest.mark.parametrize(("field", "value"), [("replicas", 0), ("timestep_fs", -0.5), ("chunk_steps", 0)])
def test_impossible_settings(field: str, value: float) -> None:
    with pytest.raises(DensnetError, match=f"{field}: expected"):
        replace(SETTINGS, **{field: value})


def test_peer_equals_ase() -> None:
    numbers = np.array([8, 1, 1])
    water = np.array([[0.0, 0.0, 0.12], [0.0, 0.78, -0.47], [0.0, -0.74, -0.5]])
    batch = np.stack([water, 1.01 * water, 0.98 * water])
    potential = ReplicaProcesses(partial(named("gfn2-xtb"), Molecule(numbers, water)), replicas=3, processes=2)
    potential(batch[::-1])
    potential.forget()
    found = potential(batch)
    for index, positions in enumerate(batch):
        atoms = Atoms(numbers, positions, calculator=TBLite(method="GFN2-xTB", verbosity=0))
        # both stop their self-consistency at about 1e-6 hartree
        assert found["energy"][index] == pytest.approx(atoms.get_potential_energy(), abs=3e-5)
        np.testing.assert_allclose(found["forces"][index], atoms.get_forces(), atol=1e-5)
        np.testing.assert_allclose(found["dipole"][index], atoms.get_dipole_moment(), atol=1e-4)


class Refusing(Spring):
    """Refuses every geometry."""

    def __call__(self, positions: Array) -> Quantities:
        raise DensnetError(f"refused {len(positions)}")


class Dying(Refusing):
    """Ends its process."""

    def __call__(self, positions: Array) -> Quantities:
        os._exit(1)


@pytest.mark.parametrize(("potential", "message"), [(Refusing, "refused 2"), (Dying, "a worker process ended")])
def test_workers_hand_on_what_goes_wrong(potential: type, message: str) -> None:
    shared = ReplicaProcesses(potential, replicas=4, processes=2)
    with pytest.raises(DensnetError, match=message):
        shared(start(4))


class Springs(Spring):
    """Two springs that disagree by a tenth of the energy."""

    quantities = frozenset({*Spring.quantities, "energy_spread"})

    def __call__(self, positions: Array) -> Quantities:
        found = super().__call__(positions)
        return {**found, "energy_spread": 0.1 * found["energy"]}


@pytest.mark.parametrize("processes", [0, 2])
def test_trajectory_keeps_the_spread_of_an_ensemble(tmp_path: Path, processes: int) -> None:
    settings = replace(SETTINGS, thermalise_ps=0.01, production_ps=0.02, chunk_steps=30)
    potential = ReplicaProcesses(Springs, replicas=3, processes=processes) if processes else Springs()
    simulate(potential, start(3), settings, output=tmp_path / "trajectory.nc", provenance={})
    found = read_dataset(tmp_path / "trajectory.nc", stage="md")
    np.testing.assert_allclose(found["energy_spread"], 0.1 * found["energy_potential"], rtol=1e-12)
    run(tmp_path / "single.nc", settings)
    assert "energy_spread" not in read_dataset(tmp_path / "single.nc", stage="md")


class PolarSpring(Spring):
    """Tells its polarizability, r r, apart from its answers."""

    def polarizability(self, positions: Array) -> Array:
        bond = positions[:, 1] - positions[:, 0]
        return np.asarray(bond[:, :, None] * bond[:, None, :])


class FullSpring(PolarSpring):
    """Has it in its answers."""

    quantities = frozenset({*Spring.quantities, "polarizability"})

    def __call__(self, positions: Array) -> Quantities:
        return {**super().__call__(positions), "polarizability": PolarSpring().polarizability(positions)}

    polarizability = Potential.polarizability


@pytest.mark.parametrize(("potential", "processes"), [(PolarSpring, 0), (PolarSpring, 2), (FullSpring, 2)])
@pytest.mark.parametrize("every", [1, 4])
def test_trajectory_keeps_polarizabilities_at_their_own_distance(
    tmp_path: Path, potential: type[Potential], processes: int, every: int
) -> None:
    # chunks of 15 kept frames, none of which every is a divisor of
    settings = replace(SETTINGS, thermalise_ps=0.01, production_ps=0.02, chunk_steps=30, polarizability_every=every)
    mover = ReplicaProcesses(potential, replicas=3, processes=processes) if processes else potential()
    simulate(mover, start(3), settings, output=tmp_path / "trajectory.nc", provenance={})
    found = read_dataset(tmp_path / "trajectory.nc", stage="md")
    assert found["polarizability"].dims == ("replica", "polarizability_time", "x", "field")
    np.testing.assert_array_equal(found["polarizability_time"], found["time"][::every])
    positions = found["positions"].values[:, ::every].astype(float)
    bond = positions[:, :, 1] - positions[:, :, 0]
    # positions are kept in single precision
    np.testing.assert_allclose(found["polarizability"], bond[..., :, None] * bond[..., None, :], atol=1e-6)


def test_without_polarizabilities_there_are_none(tmp_path: Path) -> None:
    assert Spring().polarizability(start(1)) is None
    assert ReplicaProcesses(Spring, replicas=2, processes=2).polarizability(start(2)) is None
    run(tmp_path / "trajectory.nc")
    assert "polarizability" not in read_dataset(tmp_path / "trajectory.nc", stage="md")


class KnownSpring(Spring):
    """The same, learned from bonds of 0.91 and 0.93 Angstrom."""

    def __init__(self, pull: float = 0.0) -> None:
        frames = torch.zeros(2, 2, 3, dtype=torch.float64)
        frames[:, 1, 2] = torch.tensor([0.91, 0.93])
        self.domain, self.pull = Domain.of((1, 9), 5.0, [(HYDROGEN_FLUORIDE, frames)]), pull

    def domain_distance(self, positions: Array) -> Array:
        return self.domain.distance(HYDROGEN_FLUORIDE, torch.as_tensor(positions)).numpy()

    def departure(self, positions: Array) -> str:
        return self.domain.departure(HYDROGEN_FLUORIDE, torch.as_tensor(positions))

    def __call__(self, positions: Array) -> Quantities:
        said = dict(super().__call__(positions))
        bond = positions[:, 1] - positions[:, 0]
        apart = self.pull * bond / np.linalg.norm(bond, axis=1, keepdims=True)
        return said | {"forces": said["forces"] + np.stack([-apart, apart], axis=1)}


def test_trajectory_says_how_far_outside_of_the_training_frames_it_is(tmp_path: Path) -> None:
    potential = KnownSpring()
    simulate(potential, start(3), SETTINGS, output=tmp_path / "t.nc", provenance={})
    data = read_dataset(tmp_path / "t.nc", stage="md")
    positions = data["positions"].values.astype(float)
    expected = potential.domain_distance(positions.reshape(-1, 2, 3)).reshape(positions.shape[:2])
    # positions are kept in single precision, 1e-7 Angstrom of a spread of 0.1
    np.testing.assert_allclose(data["domain_distance"].values, expected, atol=1e-5)
    assert data["domain_distance"].attrs["units"] == "1"


def test_a_replica_that_has_left_for_good_stops_dynamics(tmp_path: Path) -> None:
    """A constant pull moves the mean length to 1.62 Angstrom, far from them, whole by its bond."""
    settings = replace(SETTINGS, friction_per_ps=200.0, thermalise_ps=0.3)
    said = r"md: replica 0 has left the training frames for good after \d\.\d\d ps: . neighbour 1 of atom . \(.\) is"
    with pytest.raises(DensnetError, match=said):
        simulate(KnownSpring(pull=42.0), start(3), settings, output=tmp_path / "t.nc", provenance={})
