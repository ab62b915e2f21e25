"""Replicas shared out over worker processes, each on one thread: small molecules gain nothing from threads."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from densnet.errors import DensnetError
from densnet.potential import Array, Derived, Potential, Quantities, joined
from densnet.processes.worker import start_on_one_thread


class ReplicaProcesses(Derived):
    """A potential whose replicas are evaluated side by side in processes that end with their parent.

    Args:
        make: makes the potential, here to be asked what it is and in each worker; a module's own class or a partial.
        replicas: how many there are.
        processes: how many workers share them.
    """

    def __init__(self, make: Callable[[], Potential], *, replicas: int, processes: int) -> None:
        # what it refuses is refused before any process starts
        super().__init__(make())
        # fresh interpreters, for a fork of a process with OpenMP threads may hang
        context = multiprocessing.get_context("forkserver")
        self.shares = np.array_split(np.arange(replicas), min(max(processes, 1), replicas))
        self.pipes: list[Connection] = []
        for _ in self.shares:
            here, there = context.Pipe()
            context.Process(target=_serve, args=(there, pickle.dumps(make)), daemon=True).start()
            there.close()
            self.pipes.append(here)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: what the potential raised, or a worker process is gone.
        """
        return joined(self._answers("evaluate", positions))

    def polarizability(self, positions: Array) -> Array | None:
        """Return the polarizabilities of geometries (t, i, x), as the potential itself would."""
        parts = self._answers("polarizability", positions)
        return None if parts[0] is None else np.concatenate(parts)

    def forget(self) -> None:
        """Let every worker drop what its last call left behind."""
        for pipe in self.pipes:
            self._send(pipe, None)

    def _answers(self, wanted: str, positions: Array) -> list[Any]:
        """Return what each worker says of its share."""
        for pipe, share in zip(self.pipes, self.shares, strict=True):
            self._send(pipe, (wanted, positions[share]))
        answers = []
        for pipe in self.pipes:
            try:
                answers.append(pipe.recv())
            except (EOFError, ConnectionError) as error:
                raise self._gone() from error
        refusals = [answer for answer in answers if isinstance(answer, DensnetError)]
        if refusals:
            raise refusals[0]
        return answers

    def _send(self, pipe: Connection, request: tuple[str, Array] | None) -> None:
        try:
            pipe.send(request)
        except (BrokenPipeError, ConnectionError) as error:
            raise self._gone() from error

    def _gone(self) -> DensnetError:
        return DensnetError(f"{self.name}: a worker process ended (out of memory?); the same command goes on from here")


def _serve(pipe: Connection, make: bytes) -> None:
    """Answer requests until the parent goes away."""
    start_on_one_thread()
    # unpickled only now, because it imports the libraries that are told by the environment
    try:
        potential: Potential = pickle.loads(make)()
        while True:
            request = pipe.recv()
            if request is None:
                potential.forget()
                continue
            wanted, positions = request
            try:
                pipe.send(potential.polarizability(positions) if wanted == "polarizability" else potential(positions))
            except DensnetError as error:
                pipe.send(error)
    except (EOFError, ConnectionError):
        return
