"""A computation on a GPU as one graph of kernels (CUDA graph), launched at once.

With small molecules a GPU waits for the thousand small kernels of one evaluation to be launched one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Tensors = tuple[torch.Tensor, ...]


class Captured:
    """A computation on a GPU, captured once and replayed with the numbers that stand in its tensors then.

    Args:
        compute: reads tensors that stay where they are and returns others, which every replay writes anew. Its flow
            does not depend on their values; it never waits for the GPU, nor takes anything from the host's memory.
        rehearsals: how often it is really run before it is captured; libraries and caches get ready in these runs.
    """

    def __init__(self, compute: Callable[[], Tensors], *, rehearsals: int = 3) -> None:
        # kept, for the graph reads memory that it holds
        self.compute = compute
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(rehearsals):
                compute()
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.results = compute()

    def __call__(self) -> Tensors:
        """Replay, and return the same tensors as ever, with new content."""
        self.graph.replay()
        return self.results


def captured(function: Callable[..., Tensors], arguments: Tensors) -> Callable[..., Tensors]:
    """Return a function that repeats on a GPU what ``function`` does to tensors of these shapes.

    Args:
        function: of tensors, as in :class:`Captured`; what else it reads becomes constant.
        arguments: an example.
    """
    held = tuple(argument.clone() for argument in arguments)
    graph = Captured(lambda: function(*held))

    def call(*values: torch.Tensor) -> Tensors:
        for argument, value in zip(held, values, strict=True):
            argument.copy_(value)
        return tuple(result.clone() for result in graph())

    return call
