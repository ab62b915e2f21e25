"""One geometry, four pairs of densities, all measures: they must agree with each other and with the closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from density_examples import Molecule, spherical_atom

from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.density.error import coulomb_self_energy, overlap_norm
from densnet.density.frame_errors import PAIRS, SHELLS, FrameErrors, Geometry, KohnSham, frame_errors
from densnet.density.surface import SCALES
from densnet.fitting.fit import fit_density
from densnet.fitting.prior import fit_free_atom, superposition


@pytest.fixture(scope="module")
def densities(water: Molecule, fit_basis: Basis) -> dict[str, np.ndarray]:
    """Fit, free atoms, and in the model's place a density on the way from one to the other."""
    fit = fit_density(fit_basis, water.orbital_basis, water.numbers, water.positions, water.density_matrix).coefficients
    atoms = {
        z: fit_free_atom(fit_basis, water.orbital_basis, z, spherical_atom(z, water.orbital_basis)) for z in (1, 8)
    }
    prior = superposition(fit_basis, water.numbers, atoms)
    return {"fit": fit, "prior": prior, "model": fit + 0.03 * (prior - fit)}


def measure(
    water: Molecule, fit_basis: Basis, densities: dict[str, np.ndarray], *, orbitals: bool = True
) -> FrameErrors:
    geometry = Geometry(fit_basis, water.numbers, water.positions, 10.0)
    true = KohnSham(water.orbital_basis, water.orbitals) if orbitals else None
    return frame_errors(geometry, **densities, true=true, dipole=water.dipole)


@pytest.fixture(scope="module")
def errors(water: Molecule, fit_basis: Basis, densities: dict[str, np.ndarray]) -> FrameErrors:
    return measure(water, fit_basis, densities)


def test_a_model_three_percent_off_has_three_percent_of_the_priors_error(errors: FrameErrors) -> None:
    """All errors of first order in Δρ scale with it, the Coulomb self-energy with its square."""
    model, prior = PAIRS.index("model-fit"), PAIRS.index("prior-fit")
    for name in ("nmae", "nmae_by_atom", "nmae_by_shell", "overlap_error", "dipole_error", "potential_rms_error"):
        values = errors[name]
        np.testing.assert_allclose(values[model], 0.03 * values[prior], rtol=1e-9, err_msg=name)
    assert errors["coulomb_error"][model] == pytest.approx(0.03**2 * errors["coulomb_error"][prior], rel=1e-9)


def test_measures_agree_with_closed_forms(
    water: Molecule, fit_basis: Basis, densities: dict[str, np.ndarray], errors: FrameErrors
) -> None:
    prior, place = PAIRS.index("prior-fit"), (fit_basis, water.numbers, water.positions)
    difference = densities["prior"] - densities["fit"]
    assert errors["coulomb_error"][prior] == pytest.approx(coulomb_self_energy(*place, difference), rel=1e-12)
    # the grid's own error for a square that is steep at the oxygen nucleus
    assert errors["overlap_error"][prior] == pytest.approx(overlap_norm(*place, difference), rel=1e-3)
    # free atoms have no dipole
    assert errors["dipole_error"][prior] == pytest.approx(np.linalg.norm(water.dipole), rel=1e-6)
    electronic = densities["fit"] @ integrals.dipoles(*place)
    exact = np.linalg.norm(water.numbers @ water.positions - electronic - water.dipole)
    assert errors["dipole_error"][PAIRS.index("fit-true")] == pytest.approx(exact, abs=1e-12)


def test_parts_sum_up(errors: FrameErrors) -> None:
    assert errors["nmae_by_atom"].shape == (4, 3) and errors["nmae_by_shell"].shape == (4, len(SHELLS))
    np.testing.assert_allclose(errors["nmae_by_atom"].sum(axis=1), errors["nmae"], rtol=1e-12)
    np.testing.assert_allclose(errors["nmae_by_shell"].sum(axis=1), errors["nmae"], rtol=1e-12)
    assert errors["potential_rms_by_scale"].shape == (4, len(SCALES))
    low, high = errors["potential_rms_by_scale"].min(axis=1), errors["potential_rms_by_scale"].max(axis=1)
    assert ((low <= errors["potential_rms_error"]) & (errors["potential_rms_error"] <= high)).all()
    # the dipole that the prior lacks makes an error that falls with the distance
    assert (np.diff(errors["potential_rms_by_scale"][PAIRS.index("prior-fit")]) < 0).all()


def test_triangle_inequality(errors: FrameErrors) -> None:
    """Norms obey it pair by pair of model, fit and truth."""
    one, both, other = (PAIRS.index(pair) for pair in ("model-fit", "model-true", "fit-true"))
    for name in ("nmae", "overlap_error", "potential_rms_error", "dipole_error"):
        values = errors[name]
        assert values[both] <= values[one] + values[other] + 1e-12, name


def test_without_orbitals_only_the_true_pairs_are_missing(
    water: Molecule, fit_basis: Basis, densities: dict[str, np.ndarray], errors: FrameErrors
) -> None:
    bare = measure(water, fit_basis, densities, orbitals=False)
    true = [pair.endswith("true") for pair in PAIRS]
    for name in errors:
        value, whole = bare[name], errors[name]
        if name in ("dipole_error", "prior_negative_volume", "coulomb_error"):
            np.testing.assert_array_equal(value, whole)
        else:
            assert np.isnan(value[true]).all(), name
            np.testing.assert_array_equal(value[~np.array(true)], whole[~np.array(true)])


def test_bonds_take_density_from_most_of_the_volume(errors: FrameErrors) -> None:
    """Electrons gather in bonds and lone pairs; the tails of the free atoms lose, and they are most of the volume."""
    assert 50 < errors["prior_negative_volume"] < 100
