"""Where the time of one evaluation (energy, forces, dipole) goes, by parts of the networks, on one thread.

    .venv/bin/python benchmarks/profile_parts.py models/ethanol.pt GEOMETRIES.nc [REPLICAS]

First PyTorch's operations, recorded: each part is run alone, on what it is given in an evaluation of REPLICAS (1, if
nothing else is said), forward, and forward and backward. Mixing is what the other parts leave of the rounds of
messages, heads what these leave of a network. Then the compiled kernels, which measure themselves. Microseconds of
processor time, a replica; millions of floating-point operations in matrix products (of PyTorch) and in all products (of
the kernels); megabytes that PyTorch's operations read and write.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import ctypes
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from densnet.io.netcdf import read_dataset
from densnet.models.checkpoint import load_model
from densnet.models.compiled import CompiledNetworks
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import replicate
from densnet.models.trace import traced
from densnet.nn.compiler import library
from densnet.nn.edges import Edges
from densnet.nn.interaction import Gate, Interaction
from densnet.nn.radial import RadialNetwork
from densnet.nn.tensor_product import EdgeTensorProduct, SphereProduct

PARTS = {"radial": RadialNetwork, "coupling": EdgeTensorProduct, "sphere": SphereProduct, "gate": Gate}
COMPILED_PARTS = ("edges", "radial", "coupling", "mixing", "sphere", "gate", "heads")
REPETITIONS = 30
Tensors = tuple[torch.Tensor, ...]
Row = np.ndarray
"""Microseconds, millions of operations and megabytes, forward, then forward and backward."""


def main(path: Path, geometries: Path, replicas: int) -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    data = read_dataset(geometries, stage="sample")
    numbers = data["numbers"].values
    frames = np.resize(data["positions"].values, (replicas, len(numbers), 3))
    model = load_model(path)
    positions = torch.as_tensor(frames - frames.mean(axis=1, keepdims=True)).float()
    print("PyTorch             forward: us   Mflop     MB   with backward: us   Mflop     MB")
    for network, rows in by_torch(model, model.elements_of(numbers), positions).items():
        for part, row in rows.items():
            forward, both = (row / replicas).reshape(2, 3)
            print(f"{network:8s} {part:10s} {cells(forward)} {cells(both):>32s}")
    model.record(compiled=False)
    whole = microseconds(model, (model.elements_of(numbers), torch.as_tensor(frames))) / replicas
    print(f"both with neighbours, edges and their slopes, which are not recorded: {whole:.0f} us")
    print("kernels               forward: us  Mflop           backward: us  Mflop")
    for network, part, us, flop, us_back, flop_back in by_kernels(model, model.elements_of(numbers), positions):
        print(f"{network:8s} {part:10s} {us:14.1f} {flop:6.2f} {us_back:22.1f} {flop_back:6.2f}")


def cells(row: np.ndarray) -> str:
    """Return microseconds, millions of operations and megabytes in words."""
    us, operations, megabytes = row
    return f"{us:11.0f} {operations:7.2f} {megabytes:6.2f}"


def by_torch(model: DenSNet, element: torch.Tensor, positions: torch.Tensor) -> dict[str, dict[str, Row]]:
    """Return what each part of each network costs, and what is left for mixing and heads."""
    graph = replicate(element, positions, model.density.settings.cutoff)
    edges = model.density.edges(graph.element, graph.sender, *graph.edges())
    _, u = model.density(graph, edges)
    if model.energy is None:
        raise SystemExit("the model has no energies")
    wholes = {"density": (model.density, (graph, edges)), "energy": (model.energy, (graph, u, edges))}
    table = {}
    for name, (network, arguments) in wholes.items():
        calls = calls_of(network, arguments)
        rows = {part: cost_of(calls, kind) for part, kind in PARTS.items()}
        rounds, whole = cost_of(calls, Interaction), cost(network, arguments)
        table[name] = rows | {"mixing": rounds - sum(rows.values()), "heads": whole - rounds, "all": whole}
    return table


def calls_of(network: nn.Module, arguments: Sequence[Any]) -> list[tuple[nn.Module, Sequence[Any]]]:
    """Return the modules within a network and what each is given."""
    calls: list[tuple[nn.Module, Sequence[Any]]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, given: calls.append((module, given)))
        for module in network.modules()
    ]
    network(*arguments)
    for hook in hooks:
        hook.remove()
    return calls


def cost_of(calls: Iterable[tuple[nn.Module, Sequence[Any]]], kind: type[nn.Module]) -> Row:
    """Return what the modules of a kind cost together."""
    return sum((cost(module, given) for module, given in calls if type(module) is kind), np.zeros(6))


def cost(module: nn.Module, given: Sequence[Any]) -> Row:
    """Return what a call costs forward, and forward and backward: to slopes with what it is given."""
    tensors, call = unwrapped(module, given)

    def forward(*values: torch.Tensor) -> Tensors:
        return tuple(tree_leaves(call(values)))

    # a sum's slopes are ones that share one place in memory, with which products are slower than in an evaluation
    slopes = [torch.randn_like(result) for result in forward(*tensors)]

    def both(*values: torch.Tensor) -> Tensors:
        with torch.enable_grad():
            variables = tuple(value.detach().requires_grad_(True) for value in values)
            pairs = zip(tree_leaves(call(variables)), slopes, strict=True)
            results, seeds = zip(*((result, slope) for result, slope in pairs if result.requires_grad), strict=True)
            return torch.autograd.grad(results, variables, seeds, allow_unused=True, materialize_grads=True)

    measured = [
        np.array([microseconds(traced(function, tensors), tensors), *traffic(function, tensors)])
        for function in (forward, both)
    ]
    return np.concatenate(measured)


def unwrapped(module: nn.Module, given: Sequence[Any]) -> tuple[Tensors, Callable[[Tensors], Any]]:
    """Return the real tensors that a call is given, edges' among them, and the call as a function of them."""
    tensors: list[torch.Tensor] = []
    for value in given:
        if isinstance(value, Edges):
            tensors += value.variables
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            tensors.append(value)

    def call(values: Tensors) -> Any:
        left, arguments = list(values), []
        for value in given:
            if isinstance(value, Edges):
                arguments.append(value.at((*left[:3], value.sender, value.ends)))
                left = left[3:]
            else:
                real = isinstance(value, torch.Tensor) and value.is_floating_point()
                arguments.append(left.pop(0) if real else value)
        return module(*arguments)

    return tuple(tensors), call


def microseconds(function: Callable[..., object], tensors: Tensors) -> float:
    """Return the median processor time of a call."""
    times = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        function(*tensors)
        times.append(1e6 * (time.process_time() - began))
    return statistics.median(times[REPETITIONS // 5 :])


class Traffic(TorchDispatchMode):
    """Counts operations in matrix products, and bytes of what all operations read and write; views cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count."""
        results = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.operations += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=results)
        if not func.is_view:
            tensors = [leaf for leaf in tree_leaves((args, results)) if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return results


def traffic(function: Callable[..., object], tensors: Tensors) -> tuple[float, float]:
    """Return millions of operations in matrix products, and megabytes that all operations read and write."""
    with Traffic() as counted:
        function(*tensors)
    return counted.operations / 1e6, counted.bytes / 1e6


def by_kernels(
    model: DenSNet, element: torch.Tensor, positions: torch.Tensor
) -> list[tuple[str, str, float, float, float, float]]:
    """Return microseconds and millions of operations, forward and backward, of each part of each network."""
    kernels = library("float", ("-DTIMED",))
    if kernels is None:
        raise SystemExit("no C++ compiler, no kernels")
    compiled = CompiledNetworks(model, tuple(sorted(set(element.tolist()))), kernels)
    spent = np.zeros((2, 2, 2, len(COMPILED_PARTS)))
    rounds = []
    for _ in range(REPETITIONS):
        compiled(element, positions)
        kernels.densnet_spent(spent.ctypes.data_as(ctypes.c_void_p))
        rounds.append(1e6 * spent / len(positions))
    seconds, operations = np.median(rounds[REPETITIONS // 5 :], axis=0)
    return [
        (name, part, seconds[n, 0, p], operations[n, 0, p] / 1e12, seconds[n, 1, p], operations[n, 1, p] / 1e12)
        for n, name in enumerate(("density", "energy"))
        for p, part in enumerate(COMPILED_PARTS)
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
