"""Replicas shared out over worker processes, each on one thread: small molecules gain nothing from threads."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.processes.worker import start_on_one_thread

Array = NDArray[np.float64]


class ReplicaPotential(Protocol):
    """Anything that says something of replicas: a dataclass of arrays, whose first axis is theirs, or None."""

    def __call__(self, positions: Array) -> Any:
        """Evaluate geometries (R, i, 3) in Angstrom."""
        ...

    def forget(self) -> None:
        """Drop whatever the last call left behind."""
        ...


class ReplicaProcesses:
    """A potential whose replicas are evaluated side by side in processes that end with their parent.

    Args:
        name: of the potential.
        make: makes the potential of a number of replicas, in the worker; a module's own class or a partial of one.
        replicas: how many there are.
        processes: how many workers share them.
    """

    def __init__(self, name: str, make: Callable[[int], ReplicaPotential], *, replicas: int, processes: int) -> None:
        self.name = name
        # fresh interpreters, for a fork of a process with OpenMP threads may hang
        context = multiprocessing.get_context("forkserver")
        self.shares = np.array_split(np.arange(replicas), min(max(processes, 1), replicas))
        self.pipes: list[Connection] = []
        for share in self.shares:
            here, there = context.Pipe()
            context.Process(target=_serve, args=(there, pickle.dumps(make), len(share)), daemon=True).start()
            there.close()
            self.pipes.append(here)

    def __call__(self, positions: Array) -> Any:
        """Evaluate geometries (R, i, 3) in Angstrom.

        Raises:
            DensnetError: what the potential raised, or a worker process is gone.
        """
        for pipe, share in zip(self.pipes, self.shares, strict=True):
            self._send(pipe, positions[share])
        answers = []
        for pipe in self.pipes:
            try:
                answers.append(pipe.recv())
            except (EOFError, ConnectionError) as error:
                raise self._gone() from error
        refusals = [answer for answer in answers if isinstance(answer, DensnetError)]
        if refusals:
            raise refusals[0]
        parts = {name: [vars(answer)[name] for answer in answers] for name in vars(answers[0])}
        return type(answers[0])(
            **{name: None if arrays[0] is None else np.concatenate(arrays) for name, arrays in parts.items()}
        )

    def forget(self) -> None:
        """Let every worker drop what its last call left behind."""
        for pipe in self.pipes:
            self._send(pipe, None)

    def _send(self, pipe: Connection, request: Array | None) -> None:
        try:
            pipe.send(request)
        except (BrokenPipeError, ConnectionError) as error:
            raise self._gone() from error

    def _gone(self) -> DensnetError:
        return DensnetError(f"{self.name}: a worker process ended (out of memory?); the same command goes on from here")


def _serve(pipe: Connection, make: bytes, replicas: int) -> None:
    """Answer requests until the parent goes away."""
    start_on_one_thread()
    # unpickled only now, because it imports the libraries that are told by the environment
    try:
        potential: ReplicaPotential = pickle.loads(make)(replicas)
        while True:
            request = pipe.recv()
            if request is None:
                potential.forget()
                continue
            try:
                pipe.send(potential(request))
            except DensnetError as error:
                pipe.send(error)
    except (EOFError, ConnectionError):
        return
