"""The response model: turns and reflects with the molecule, moves no charge, has a symmetric polarizability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from e3nn import o3
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet import DenSNetCalculator
from densnet.basis import integrals
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model, save_model
from densnet.models.densnet_model import DenSNet
from densnet.models.ensemble import Ensemble
from densnet.models.response_model import ResponseModel
from densnet.models.settings import ResponseModelSettings
from densnet.models.tensor_model import TensorModel
from densnet.models.whitened_basis import WhitenedBasis
from densnet.units import BOHR_IN_ANGSTROM

SETTINGS = {"channels": 6, "edge_channels": 4, "cutoff": 4.0, "vector_channels": 4}


def responding_model(head: str = "density") -> DenSNet:
    """Density, energy and response with random weights, in float64."""
    whole = random_model()
    whitened = WhitenedBasis(Basis.from_name("def2-SVP-JKFIT", [1, 6, 8]), (1, 6, 8))
    settings = ResponseModelSettings(head=head, **SETTINGS)
    torch.manual_seed(3)
    if head == "tensor":
        response: ResponseModel | TensorModel = TensorModel(settings, whitened, mean_neighbours=5.0)
        response.set_scales(1.0, 5.0)
    else:
        response = ResponseModel(settings, whitened, mean_neighbours=5.0)
        response.set_scales(0.01 + 0.1 * torch.rand_like(response.scale), 0.1 * torch.randn_like(response.shift))
    return DenSNet(whole.density, whole.energy, whole.free_atoms, response=response).double()


@pytest.mark.parametrize("head", ["density", "tensor"])
@pytest.mark.parametrize("reflect", [1.0, -1.0])
def test_the_polarizability_turns_and_reflects(head: str, reflect: float) -> None:
    model = responding_model(head)
    R = reflect * o3.rand_matrix(dtype=torch.float64)
    positions, element = torch.as_tensor(METHANOL_POSITIONS), model.elements_of(METHANOL)
    alpha = model.polarizability(element, torch.stack([positions, positions @ R.T + 2.0]))
    # the tables of couplings are float32
    torch.testing.assert_close(alpha[1], R @ alpha[0] @ R.T, rtol=0, atol=1e-7 * float(alpha.abs().max()))
    torch.testing.assert_close(alpha, alpha.transpose(1, 2), rtol=0, atol=1e-12)
    anisotropic = alpha[0] - alpha[0].trace() / 3 * torch.eye(3)
    assert float(anisotropic.abs().max()) > 1e-2 * float(alpha.abs().max())


@pytest.mark.parametrize("reflect", [1.0, -1.0])
def test_the_density_s_response_turns_and_reflects(reflect: float) -> None:
    model = responding_model()
    R = reflect * o3.rand_matrix(dtype=torch.float64).numpy()
    basis, points = model.response_basis, 2.0 * np.random.default_rng(1).normal(size=(40, 3))
    values = []
    for turn in (np.eye(3), R):
        moved = METHANOL_POSITIONS @ turn.T
        (c,) = model.response_coefficients(METHANOL, moved[None])
        values.append(integrals.expand(basis, METHANOL, moved / BOHR_IN_ANGSTROM, c.T, points @ turn.T))
        np.testing.assert_allclose(c @ integrals.charges(basis, METHANOL), 0.0, atol=1e-12)
    # ρ^(1)_y is a vector in y
    np.testing.assert_allclose(values[1], values[0] @ R.T, atol=1e-6 * np.abs(values[0]).max())


def test_axial_parts_are_there() -> None:
    """A chiral geometry answers with parts of either parity: without the axial head the response is another."""
    model = responding_model()
    before = model.response_coefficients(METHANOL, METHANOL_POSITIONS[None])
    assert isinstance(model.response, ResponseModel)
    with torch.no_grad():
        model.response.heads["axial"].weight.zero_()
    after = model.response_coefficients(METHANOL, METHANOL_POSITIONS[None])
    assert np.abs(after - before).max() > 1e-3 * np.abs(before).max()


def test_polarizability_is_that_of_the_coefficients() -> None:
    model = responding_model()
    (c,) = model.response_coefficients(METHANOL, METHANOL_POSITIONS[None])
    answer = Ensemble([model]).field_response(METHANOL, METHANOL_POSITIONS)
    assert answer is not None
    np.testing.assert_allclose(answer.coefficients, c, atol=1e-14)
    alpha = model.polarizability(model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS[None]))[0]
    closed_form = answer.polarizability(METHANOL, METHANOL_POSITIONS / BOHR_IN_ANGSTROM)
    np.testing.assert_allclose(alpha.numpy(), closed_form, atol=1e-10)


@pytest.mark.parametrize("head", ["density", "tensor"])
def test_the_file_keeps_it(tmp_path: Path, head: str) -> None:
    model = responding_model(head).float()
    save_model(model, tmp_path / "model.pt", provenance={})
    read = load_model(tmp_path / "model.pt")
    element, positions = model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS[None])
    torch.testing.assert_close(read.polarizability(element, positions), model.polarizability(element, positions))


def test_the_calculator_gives_it_where_it_is_asked_for(tmp_path: Path) -> None:
    from ase import Atoms

    save_model(responding_model().float(), tmp_path / "model.pt", provenance={})
    calculator, atoms = DenSNetCalculator(tmp_path / "model.pt"), Atoms(METHANOL, METHANOL_POSITIONS)
    atoms.calc = calculator
    atoms.get_forces()
    assert "polarizability" not in calculator.results
    alpha = calculator.get_property("polarizability", atoms)
    np.testing.assert_allclose(alpha, calculator.density(atoms).polarizability(), atol=1e-5 * np.abs(alpha).max())


def test_a_model_without_response_says_so(tmp_path: Path) -> None:
    model = random_model()
    with pytest.raises(DensnetError, match="polarizability: this model file holds no response"):
        model.polarizability(model.elements_of(METHANOL), torch.as_tensor(METHANOL_POSITIONS[None]))
    with pytest.raises(DensnetError, match="response: this model file holds no response of the density"):
        responding_model("tensor").response_coefficients(METHANOL, METHANOL_POSITIONS[None])
