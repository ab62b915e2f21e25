"""GFN2-xTB as a peer that moves replicas, spread over worker processes."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from densnet.dynamics.state import Array, Forces
from densnet.errors import DensnetError
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV


class Gfn2Potential:
    """GFN2-xTB (Bannwarth, Ehlert, Grimme 2019) by tblite; replicas shared out over worker processes."""

    name = "gfn2-xtb"

    def __init__(self, numbers: NDArray[np.int64], charge: int, replicas: int, processes: int) -> None:
        context = multiprocessing.get_context("forkserver")
        self.shares = np.array_split(np.arange(replicas), min(max(processes, 1), replicas))
        self.pipes: list[Connection] = []
        for share in self.shares:
            here, there = context.Pipe()
            context.Process(target=_serve_gfn2, args=(there, numbers, charge, len(share)), daemon=True).start()
            there.close()
            self.pipes.append(here)

    def __call__(self, positions: Array) -> Forces:
        """Evaluate geometries (R, a, 3) in Angstrom."""
        for pipe, share in zip(self.pipes, self.shares, strict=True):
            pipe.send(positions[share])
        answers = []
        for pipe in self.pipes:
            try:
                answer = pipe.recv()
            except EOFError as error:
                raise DensnetError("gfn2-xtb: a worker process ended (out of memory?); run again") from error
            if isinstance(answer, str):
                raise DensnetError(f"gfn2-xtb: {answer}; lower the temperature or the timestep")
            answers.append(answer)
        return Forces(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))

    def forget(self) -> None:
        """Drop the wavefunctions that the next self-consistency would start from."""
        for pipe in self.pipes:
            pipe.send(None)


def _serve_gfn2(pipe: Connection, numbers: NDArray[np.int64], charge: int, replicas: int) -> None:
    """Answer requests until the parent goes away; each replica keeps its own wavefunction as a guess."""
    import os
    import signal

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from tblite.interface import Calculator, Result

    calculators: list[Calculator] = []
    guesses: list[Result | None] = [None] * replicas
    while True:
        try:
            positions = pipe.recv()
        except EOFError:
            return
        if positions is None:
            guesses = [None] * replicas
            continue
        bohr = positions / BOHR_IN_ANGSTROM
        if not calculators:
            calculators = [Calculator("GFN2-xTB", numbers, r, charge=float(charge)) for r in bohr]
            for calculator in calculators:
                calculator.set("verbosity", 0)
        energies, forces, moments = [], [], []
        try:
            for index, r in enumerate(bohr):
                calculators[index].update(positions=r)
                result = calculators[index].singlepoint(guesses[index], copy=True)
                guesses[index] = result
                energies.append(result.get("energy"))
                forces.append(-result.get("gradient"))
                moments.append(result.get("dipole"))
        except (RuntimeError, ValueError, TypeError) as error:
            pipe.send(str(error).replace("\n", " "))
            continue
        pipe.send(
            (
                np.array(energies) * HARTREE_IN_EV,
                np.array(forces) * (HARTREE_IN_EV / BOHR_IN_ANGSTROM),
                np.array(moments) * BOHR_IN_ANGSTROM,
            )
        )
