"""A model file of MACE as a potential, of molecules and of crystals, computed in the environment of its own."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from ase import Atoms

from densnet.errors import DensnetError
from densnet.peers.mace_program import mace_worker
from densnet.potential import Array, Potential, Quantities, check_elements


class MacePotential(Potential):
    """MACE (Batatia et al., NeurIPS 2022, arXiv 2206.07697) by a worker that ends with this object.

    Args:
        model: as ``torch.save`` writes it; of one head.
        structure: elements, and cell and periodicity of a crystal; its positions do not matter.
        double: compute in double precision.
        threads: of the worker.

    Raises:
        DensnetError: no environment with MACE, a file that is no such model, or an element that it lacks.
    """

    def __init__(self, model: Path, structure: Atoms, *, double: bool = False, threads: int = 1) -> None:
        self.name, self.numbers = str(model), np.asarray(structure.numbers, dtype=np.int64)
        job = {
            "evaluate": str(model.resolve()),
            "numbers": self.numbers.tolist(),
            "cell": structure.cell.array.tolist(),
            "periodic": structure.pbc.tolist(),
            "double": double,
            "threads": threads,
        }
        resources = ExitStack()
        self._close = weakref.finalize(self, resources.close)
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="densnet-mace-")))
        self._worker = resources.enter_context(mace_worker(job, folder, os.environ))
        self.elements = frozenset(self._worker.wait_for("ready")["elements"])
        check_elements(self, self.numbers)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: a position is not finite, or the worker has ended.
        """
        if not np.isfinite(positions).all():
            raise DensnetError(f"{self.name}: a position is not a finite number; give another geometry")
        answer = self._worker.ask(json.dumps(positions.tolist()), "evaluated")
        return {name: np.array(answer[name], dtype=np.float64) for name in ("energy", "forces")}
