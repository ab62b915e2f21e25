"""Where the labels end: zero inside, an invariant that grows outside, told by calculators and trajectories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from model_examples import METHANOL, METHANOL_POSITIONS, random_model
from scipy.spatial.transform import Rotation

from densnet import DenSNetCalculator
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_ensemble, load_model, save_model
from densnet.models.domain import Domain, neighbour_distances

CUTOFF = 4.0
FRAMES = torch.as_tensor(
    METHANOL_POSITIONS + 0.02 * np.random.default_rng(3).standard_normal((400, *METHANOL_POSITIONS.shape))
)
DOMAIN = Domain.of((1, 6, 8), CUTOFF, [(METHANOL, FRAMES)])


def stretched(length: float) -> torch.Tensor:
    """Return methanol with its O-H bond at a length in Angstrom, (1, i, 3)."""
    positions = METHANOL_POSITIONS.copy()
    oxygen = int(np.flatnonzero(METHANOL == 8)[0])
    hydrogen = min(np.flatnonzero(METHANOL == 1), key=lambda i: np.linalg.norm(positions[i] - positions[oxygen]))
    bond = positions[hydrogen] - positions[oxygen]
    positions[hydrogen] = positions[oxygen] + length * bond / np.linalg.norm(bond)
    return torch.as_tensor(positions[None])


def test_nine_of_ten_training_frames_are_inside() -> None:
    """All but those beyond either of two quantiles, of a tenth and of a hundredth of the frames."""
    assert 0.88 * len(FRAMES) <= (DOMAIN.distance(METHANOL, FRAMES) == 0).sum() <= 0.9 * len(FRAMES)


def test_d_is_one_on_average_over_the_training_frames() -> None:
    """The trace of C⁻¹ C is the number of numbers in x that vary: neighbours that there are not do not."""
    x = neighbour_distances((1, 6, 8), CUTOFF, METHANOL, FRAMES)
    vary = [np.ptp(x[:, z == METHANOL], axis=(0, 1)) > 1e-9 for z in METHANOL]
    d, _ = DOMAIN._distances(METHANOL, FRAMES)
    # ε² is an eighth of the variance, (0.028 Angstrom)²
    assert float(d.square().mean()) == pytest.approx(float(np.mean(vary)), rel=0.2)


def test_it_grows_with_the_step_outside() -> None:
    """Far outside in proportion: d is linear in x, and the rest of the molecule stays where it is."""
    near, far = (float(DOMAIN.distance(METHANOL, stretched(length))[0]) for length in (0.6, 0.3))
    assert 1 < near < far
    assert (far + 1) / (near + 1) == pytest.approx((0.96 - 0.3) / (0.96 - 0.6), rel=0.2)
    assert DOMAIN.departure(METHANOL, stretched(0.3)[0]).startswith("H neighbour 1 of atom 1 (O) is 0.30 Angstrom away")


def test_it_knows_neither_direction_nor_the_order_of_like_atoms() -> None:
    turned = stretched(1.6) @ torch.as_tensor(Rotation.random(random_state=1).as_matrix()) + torch.tensor(
        [1.0, 2.0, 3.0]
    )
    order = np.random.default_rng(2).permutation(len(METHANOL))
    expected = DOMAIN.distance(METHANOL, stretched(1.6))
    assert expected > 1
    np.testing.assert_allclose(DOMAIN.distance(METHANOL, turned), expected, rtol=1e-9)
    np.testing.assert_allclose(DOMAIN.distance(METHANOL[order], turned[:, order]), expected, rtol=1e-9)


def test_beyond_the_cutoff_nothing_changes() -> None:
    far, farther = (DOMAIN.distance(METHANOL, stretched(length)) for length in (9.0, 20.0))
    np.testing.assert_allclose(far, farther)
    assert far.isfinite()


def test_a_model_file_holds_it_and_the_calculator_says_it(tmp_path: Path) -> None:
    path, model = tmp_path / "model.pt", random_model(target="delta").float()
    model.domain = DOMAIN
    save_model(model, path, provenance={})
    stored = load_model(path).domain
    assert stored is not None and (stored.elements, stored.cutoff, stored.usual) == ((1, 6, 8), CUTOFF, DOMAIN.usual)
    assert torch.equal(stored.whitening, DOMAIN.whitening)
    assert load_ensemble(path).domain is not None
    calculator = DenSNetCalculator(path)
    for positions in (METHANOL_POSITIONS, stretched(1.6)[0].numpy()):
        atoms = Atoms(METHANOL, positions, calculator=calculator)
        atoms.get_potential_energy()
        (expected,) = DOMAIN.distance(METHANOL, torch.as_tensor(positions[None])).tolist()
        assert calculator.results["domain_distance"] == calculator.get_property("domain_distance") == expected


def test_files_of_earlier_versions_have_none_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "model.pt", random_model(target="delta").float()
    save_model(model, path, provenance={})
    assert load_model(path).domain is None
    Atoms(METHANOL, METHANOL_POSITIONS, calculator=(calculator := DenSNetCalculator(path))).get_potential_energy()
    assert "domain_distance" not in calculator.results
    content = torch.load(path, weights_only=True)
    kept = {"cutoff": 5.0, "usual": [1.0, 1.0], "mean": torch.zeros(3, 12), "whitening": torch.zeros(3, 12, 12)}
    for damaged in (7, {"cutoff": 5.0}, kept | {"mean": torch.zeros(2)}, kept | {"usual": [1.0]}):
        torch.save(content | {"domain": damaged}, path)
        with pytest.raises(DensnetError, match=r"model\.pt: domain: expected mean and covariance"):
            load_model(path)
