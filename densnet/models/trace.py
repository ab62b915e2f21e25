"""The networks and their gradient as one recorded list of operations: no bookkeeping, no Python, no compiler.

For a lone molecule most of the time goes into recording the graph that automatic differentiation needs. For given
elements and shapes that graph is the same at every call: it is written down once, forward and backward, and then run
as it stands. The numbers are those of the networks themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

Tensors = tuple[torch.Tensor, ...]


def traced(function: Callable[..., Tensors], arguments: Tensors) -> Callable[..., Tensors]:
    """Return a function that repeats what ``function`` does to tensors of these shapes.

    Args:
        function: of tensors, whose flow does not depend on their values; what else it reads becomes constant.
        arguments: an example.
    """
    graph = make_fx(function)(*arguments)
    for node in graph.graph.nodes:
        if node.target in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
            node.replace_all_uses_with(node.args[0])
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return _scripted(graph, arguments)


def _scripted(graph: GraphModule, arguments: Tensors) -> Callable[..., Tensors]:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.freeze(torch.jit.trace(graph, arguments, check_trace=False).eval())

    def call(*values: torch.Tensor) -> Tensors:
        # its optimiser assumes shapes that these graphs do not keep, and gains nothing here
        with torch.no_grad(), torch.jit.optimized_execution(False):
            results: Tensors = script(*values)
        return results

    return call
