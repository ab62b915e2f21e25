"""SOAP makes the steps of the library's implementation, and its state survives a checkpoint."""

from __future__ import annotations

import pytorch_optimizer
import torch
from torch import nn

from densnet.training.soap import SOAP

# every axis with fewer functions than the others together: the first covariances have full rank, and one basis each
SHAPES = ((6, 6), (6, 6), (3, 4, 5), (7,), (3, 4, 4, 3))


def weights(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in SHAPES]


def differentiate(parameters: list[nn.Parameter], seed: int) -> None:
    for parameter, gradient in zip(parameters, weights(seed), strict=True):
        parameter.grad = gradient.detach()


def test_steps_are_those_of_pytorch_optimizer() -> None:
    own, theirs = weights(0), weights(0)
    soap = SOAP(own, lr=1e-2)
    library = pytorch_optimizer.SOAP(theirs, lr=1e-2, betas=(0.95, 0.95), weight_decay=0.0)
    for step in range(45):
        for parameters in (own, theirs):
            differentiate(parameters, 100 + step)
        soap.step()
        library.step()
    moved = max(float((a - b).detach().abs().max()) for a, b in zip(own, weights(0), strict=True))
    off = max(float((a - b).detach().abs().max()) for a, b in zip(own, theirs, strict=True))
    # the library factorises in single precision
    assert off < 1e-6 < 0.1 < moved


def test_a_restored_optimiser_goes_on_as_if_nothing_had_happened() -> None:
    undisturbed, first = weights(0), weights(0)
    whole, begun = SOAP(undisturbed, lr=1e-2), SOAP(first, lr=1e-2)
    for step in range(13):
        for parameters, soap in ((undisturbed, whole), (first, begun)):
            differentiate(parameters, step)
            soap.step()
    second = [nn.Parameter(parameter.detach().clone()) for parameter in first]
    resumed = SOAP(second, lr=1e-2)
    resumed.load_state_dict(begun.state_dict())
    for step in range(13, 24):
        for parameters, soap in ((undisturbed, whole), (second, resumed)):
            differentiate(parameters, step)
            soap.step()
    assert all(torch.equal(a, b) for a, b in zip(undisturbed, second, strict=True))


def test_a_weight_without_gradient_stays() -> None:
    parameters = weights(0)
    soap = SOAP(parameters, lr=1e-2)
    for step in range(12):
        differentiate(parameters, step)
        parameters[0].grad = None
        soap.step()
    assert torch.equal(parameters[0], weights(0)[0])
    assert not torch.equal(parameters[1], weights(0)[1])
