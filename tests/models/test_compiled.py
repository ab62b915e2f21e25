"""Compiled kernels against the networks that they stand for, and against the laws that these obey."""

from __future__ import annotations

import copy
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from e3nn import o3
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet.errors import DensnetError
from densnet.models.checkpoint import load_model
from densnet.models.compiled import CompiledNetworks
from densnet.models.densnet_model import DenSNet, Prediction
from densnet.nn.compiler import VARIABLE, compiler, library

MODELS = Path(__file__).parents[2] / "models"
POSITIONS = torch.as_tensor(METHANOL_POSITIONS)
FINE = 1e-10
"""Of the slopes of radial splines, as a share of the largest; their errors are far smaller, for knots are halved."""
ROUNDING = 1e-10
"""Of the largest force and of the dipole, and of energies in eV: of thousands of eV, 1e-13 of them."""

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


@pytest.fixture
def fresh_library() -> Iterator[None]:
    """Look for the compiler anew, before and after."""
    library.cache_clear()
    yield
    library.cache_clear()


def in_double(model: DenSNet, *options: str) -> DenSNet:
    """Return a model in double precision whose recorded calls go through kernels of the same precision."""
    model = model.requires_grad_(False).record()
    kernels = library("double", options)
    assert kernels is not None
    compiled = CompiledNetworks(model, (0, 1, 2), kernels, tolerance=FINE)

    def evaluate(element: torch.Tensor, positions: torch.Tensor) -> Prediction:
        centre = positions.mean(dim=1, keepdim=True)
        return model._by_kernels(compiled, element, positions - centre, centre[:, 0])

    model.forward = evaluate  # type: ignore[method-assign]
    return model


def held(model: DenSNet, closest: float) -> DenSNet:
    """Return a model that trusts no pair of atoms nearer than a distance in Angstrom, and has a wall there."""
    assert model.energy is not None
    for edges in (model.density.edges, model.energy.edges):
        edges.closest.fill_(closest)
    return model


def assert_equal(found: Prediction, expected: Prediction, share: float) -> None:
    for name in ("energy", "forces", "dipole"):
        scale = 1.0 if name == "energy" else float(getattr(expected, name).abs().max())
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=0, atol=share * scale)


@needs_compiler
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"target": "direct", "charge": 1},
        {"target": "direct", "charge": 1, "charge_balance": "global"},
        {"body_order": 2},
        {"body_order": 4, "l_last": 3},
        {"body_order": 4, "cutoff": 2.2},
    ],
)
def test_kernels_equal_the_networks(settings: dict[str, object]) -> None:
    # a C-H bond and more are nearer than 1.2 Angstrom: radial functions are held, and the wall acts
    plain = held(random_model(**settings), 1.2).requires_grad_(False)
    kernels = in_double(held(random_model(**settings), 1.2))
    element = plain.elements_of(METHANOL)
    moved = POSITIONS + 0.1 * torch.randn(5, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved[3:, :, 2] += 7.0
    expected = plain(element, moved)
    assert_equal(kernels(element, moved), expected, ROUNDING)
    assert float(expected.forces.abs().max()) > 1e-1


@needs_compiler
@pytest.mark.parametrize("instructions", [["-mno-avx512f"], ["-mno-avx"]])
def test_kernels_of_shorter_vectors(instructions: list[str]) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("options of x86 processors")
    plain, kernels = random_model().requires_grad_(False), in_double(random_model(), *instructions)
    element = plain.elements_of(METHANOL)
    assert_equal(kernels(element, POSITIONS[None]), plain(element, POSITIONS[None]), ROUNDING)


@needs_compiler
@pytest.mark.parametrize("reflect", [1.0, -1.0])
def test_rotation_reflection_and_permutation(reflect: float) -> None:
    model = in_double(random_model(body_order=4, l_last=2))
    R = reflect * o3.rand_matrix(dtype=torch.float64)
    order = np.array([5, 3, 0, 4, 1, 2])
    before = model(model.elements_of(METHANOL), POSITIONS[None])
    after = model(model.elements_of(METHANOL[order]), (POSITIONS @ R.T)[order][None])
    expected = Prediction(before.energy, (before.forces @ R.T)[:, order], before.dipole @ R.T)
    assert_equal(after, expected, ROUNDING)


@needs_compiler
def test_forces_are_the_gradient() -> None:
    model = in_double(held(random_model(), 1.2))
    element = model.elements_of(METHANOL)
    forces, step = model(element, POSITIONS[None]).forces[0], 1e-4
    displaced = POSITIONS + step * torch.eye(18, dtype=torch.float64).view(18, 6, 3)
    ahead, behind = model(element, displaced).energy, model(element, 2 * POSITIONS - displaced).energy
    numeric = -((ahead - behind) / (2 * step)).view(6, 3)
    # rounding of thousands of eV, 1e-12 over 1e-4, and the square of the step times third derivatives
    assert float((forces - numeric).abs().max() / forces.abs().max()) < 3e-6


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_equals_loop(threads: int) -> None:
    model = in_double(random_model())
    element = model.elements_of(METHANOL)
    batch = POSITIONS + 0.05 * torch.randn(7, 6, 3, dtype=torch.float64)
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = model(element, batch)
    finally:
        torch.set_num_threads(usual)
    for index, positions in enumerate(batch):
        alone = model(element, positions[None])
        for name in ("energy", "forces", "dipole"):
            torch.testing.assert_close(getattr(together, name)[index], getattr(alone, name)[0], rtol=0, atol=1e-10)


@needs_compiler
@pytest.mark.parametrize("name", ["ethanol", "rmd17_malonaldehyde"])
def test_shipped_models_lose_no_accuracy(name: str) -> None:
    """Single precision's own error, that of the networks by PyTorch, is hardly exceeded."""
    exact = load_model(MODELS / f"{name}.pt", dtype=torch.float64)
    plain, kernels = (load_model(MODELS / f"{name}.pt") for _ in range(2))
    kernels.record()
    generator = torch.Generator().manual_seed(3)
    element = exact.elements_of(METHANOL)
    frames = POSITIONS + 0.05 * torch.randn(16, 6, 3, dtype=torch.float64, generator=generator)
    expected, by_torch, by_kernels = (model(element, frames) for model in (exact, plain, kernels))
    assert kernels._compiled
    assert not kernels._recorded
    for quantity in ("energy", "forces", "dipole"):
        usual, error = (
            float((getattr(found, quantity) - getattr(expected, quantity)).square().mean().sqrt())
            for found in (by_torch, by_kernels)
        )
        # some atoms' energies are below those of training, and held; splines are allowed 3e-6 of the largest slope
        assert error < 3 * usual + 1e-6


@needs_compiler
def test_impossible_positions_are_refused() -> None:
    model = load_model(MODELS / "ethanol.pt").record()
    element = model.elements_of(METHANOL)
    together, undefined = POSITIONS[None].clone(), POSITIONS[None].clone()
    together[0, 2], undefined[0, 3, 1] = together[0, 1], torch.nan
    with pytest.raises(DensnetError, match="two atoms stand at the same place"):
        model(element, together)
    with pytest.raises(DensnetError, match="expected finite numbers"):
        model(element, undefined)


@needs_compiler
def test_a_copy_evaluates_like_the_original() -> None:
    model = load_model(MODELS / "ethanol.pt").record()
    element = model.elements_of(METHANOL)
    before = model(element, POSITIONS[None])
    torch.testing.assert_close(copy.deepcopy(model)(element, POSITIONS[None]).forces, before.forces, rtol=0, atol=0)


@pytest.mark.usefixtures("fresh_library")
def test_without_a_compiler_pytorch_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "none")
    model, plain = (load_model(MODELS / "ethanol.pt") for _ in range(2))
    element = model.elements_of(METHANOL)
    found, expected = model.record()(element, POSITIONS[None]), plain(element, POSITIONS[None])
    assert_equal(found, expected, 1e-4)
    assert model._recorded


@pytest.mark.usefixtures("fresh_library")
def test_a_compiler_that_fails_is_warned_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such language >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(broken))
    with pytest.warns(UserWarning, match="broken: could not compile the kernels .no C"):
        assert library("float") is None
