"""What every model must do: rotate, reflect and permute with the molecule, keep the charge, be smooth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from e3nn import o3
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.basis.integrals import charges, dipoles
from densnet.units import BOHR_IN_ANGSTROM

POSITIONS = torch.as_tensor(METHANOL_POSITIONS)


@pytest.fixture(autouse=True)
def e3nn_in_double_precision() -> Iterator[None]:
    """e3nn bakes its constants in the default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("target", ["delta", "direct"])
@pytest.mark.parametrize("reflect", [1.0, -1.0])
@pytest.mark.parametrize(("body_order", "l_last"), [(2, 0), (3, 0), (4, 0), (4, 2)])
def test_rotation_and_reflection(target: str, reflect: float, body_order: int, l_last: int) -> None:
    model = random_model(target, body_order=body_order, l_last=l_last)
    R = reflect * o3.rand_matrix(dtype=torch.float64)
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    element = model.elements_of(METHANOL)
    moved = POSITIONS @ R.T + shift
    before, after = model(element, POSITIONS[None]), model(element, moved[None])
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces @ R.T, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.dipole, before.dipole @ R.T, rtol=0, atol=1e-9)
    assert float(before.forces.abs().max()) > 1e-3
    assert float(before.dipole.abs().max()) > 1e-3
    rotated = _rotate_coefficients(model, model.coefficients(METHANOL, METHANOL_POSITIONS[None])[0], R)
    found = model.coefficients(METHANOL, moved.numpy()[None])[0]
    np.testing.assert_allclose(found, rotated, rtol=0, atol=1e-9)


def _rotate_coefficients(model: torch.nn.Module, c: np.ndarray, R: torch.Tensor) -> np.ndarray:
    """Rotate coefficients by e3nn's matrices, in the axes (y, z, x) that its conventions want."""
    layout = model.density.whitened.basis.layout(METHANOL)
    cycle = [1, 2, 0]
    rotated = np.empty_like(c)
    for l in range(int(layout.l.max()) + 1):
        D = o3.Irrep(l, (-1) ** l).D_from_matrix(R[cycle][:, cycle]).numpy()
        chosen = np.flatnonzero(layout.l == l).reshape(-1, 2 * l + 1)
        rotated[chosen] = c[chosen] @ D.T
    return rotated


def test_permutation() -> None:
    model = random_model()
    order = np.array([5, 3, 0, 4, 1, 2])
    before = model(model.elements_of(METHANOL), POSITIONS[None])
    after = model(model.elements_of(METHANOL[order]), POSITIONS[order][None])
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces[:, order], rtol=0, atol=1e-9)
    torch.testing.assert_close(after.dipole, before.dipole, rtol=0, atol=1e-9)


def test_batch_equals_loop_and_molecules_do_not_see_each_other() -> None:
    model = random_model()
    element = model.elements_of(METHANOL)
    batch = POSITIONS + 0.05 * torch.randn(4, 6, 3, dtype=torch.float64)
    together = model(element, batch)
    for index, positions in enumerate(batch):
        alone = model(element, positions[None])
        torch.testing.assert_close(together.energy[index], alone.energy[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(together.forces[index], alone.forces[0], rtol=0, atol=1e-10)
        torch.testing.assert_close(together.dipole[index], alone.dipole[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("target", ["delta", "direct"])
def test_forces_are_the_gradient_through_both_networks(target: str) -> None:
    model = random_model(target)
    element = model.elements_of(METHANOL)
    forces = model(element, POSITIONS[None]).forces[0]
    step = 3e-5
    numeric = torch.zeros_like(forces)
    for atom in range(6):
        for axis in range(3):
            ahead, behind = POSITIONS.clone(), POSITIONS.clone()
            ahead[atom, axis] += step
            behind[atom, axis] -= step
            energies = model(element, torch.stack([ahead, behind])).energy
            numeric[atom, axis] = -(energies[0] - energies[1]) / (2 * step)
    # the rounding of an energy of thousands of eV, 1e-12 over 3e-5, is 3e-8; the step's square times the wall between
    # carbon and oxygen, which begins at 1.42 Angstrom here, 1e-7
    assert float((forces - numeric).abs().max() / forces.abs().max()) < 1e-6


@pytest.mark.parametrize(("target", "charge"), [("delta", 0), ("direct", 0), ("delta", 1), ("direct", -1)])
def test_charge_is_exact_and_dipole_is_that_of_the_coefficients(target: str, charge: int) -> None:
    model = random_model(target, charge=charge).float()
    basis = model.density.whitened.basis
    (c,) = model.coefficients(METHANOL, METHANOL_POSITIONS[None])
    assert abs(charges(basis, METHANOL) @ c - (METHANOL.sum() - charge)) < 1e-9
    d = dipoles(basis, METHANOL, METHANOL_POSITIONS / BOHR_IN_ANGSTROM).T @ c * BOHR_IN_ANGSTROM
    expected = METHANOL @ METHANOL_POSITIONS - d
    found = model(model.elements_of(METHANOL), POSITIONS[None]).dipole[0].numpy()
    # float32 in the networks: about 1e-6 of the 18 electrons times an Angstrom
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-5)


def test_energy_is_smooth_where_an_atom_crosses_the_cutoff() -> None:
    model = random_model(cutoff=3.0)
    element = model.elements_of(np.array([8, 1]))
    r = torch.tensor([3.0 - 1e-3, 3.0 + 1e-3], dtype=torch.float64)
    positions = torch.zeros(2, 2, 3, dtype=torch.float64)
    positions[:, 1, 0] = r
    inside_and_outside = model(element, positions)
    torch.testing.assert_close(inside_and_outside.energy[0], inside_and_outside.energy[1], rtol=0, atol=1e-7)
    torch.testing.assert_close(inside_and_outside.forces[0], inside_and_outside.forces[1], rtol=0, atol=1e-4)


def test_separated_atoms_have_the_sum_of_their_energies() -> None:
    model = random_model(cutoff=3.0)
    far = torch.tensor([[[0.0, 0, 0], [0.96, 0, 0], [50.0, 0, 0], [50.0, 0.96, 0]]], dtype=torch.float64)
    pair = model.elements_of(np.array([8, 1, 6, 1]))
    singles = model(pair[:2], far[:, :2]).energy + model(pair[2:], far[:, 2:]).energy
    torch.testing.assert_close(model(pair, far).energy, singles, rtol=0, atol=1e-8)


def test_what_is_kept_of_frozen_weights_follows_their_changes() -> None:
    model, fresh = random_model().requires_grad_(False), random_model()
    element = model.elements_of(METHANOL)
    before = model(element, POSITIONS[None])
    with torch.no_grad():
        for changed in (model, fresh):
            for parameter in changed.parameters():
                parameter.mul_(1.01)
    after, expected = model(element, POSITIONS[None]), fresh(element, POSITIONS[None])
    torch.testing.assert_close(after.forces, expected.forces, rtol=0, atol=1e-12)
    assert float((after.forces - before.forces).abs().max()) > 1e-4
    single, double = model.float()(element, POSITIONS[None]), expected
    torch.testing.assert_close(single.forces.double(), double.forces, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("energy_cutoff", "kinds"), [(4.0, 1), (3.0, 2)])
def test_recorded_calls_equal_plain_ones_also_when_neighbours_change(energy_cutoff: float, kinds: int) -> None:
    plain, recorded = (random_model(energy_cutoff=energy_cutoff).requires_grad_(False) for _ in range(2))
    recorded.record()
    element = plain.elements_of(METHANOL)
    moved = POSITIONS + 0.3 * torch.randn(5, 2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    # of two kinds if an atom leaves, and with it a neighbour of all others
    moved[3:, :, 5] += 20.0 * (kinds - 1)
    for positions in moved:
        found, expected = recorded(element, positions), plain(element, positions)
        for name in ("energy", "forces", "dipole"):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-11)
    assert len(recorded._recorded) == kinds
