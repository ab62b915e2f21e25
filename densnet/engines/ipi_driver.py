"""What i-PI calls for forces: a potential as one of its "pes" classes, in atomic units.

i-PI: Litman, Kapil, Feldman et al., J. Chem. Phys. 161, 062504 (2024). It gives positions (bohr) of one structure, or
of a list of them, and takes energy (hartree), forces (hartree/bohr), virial (hartree) and a text: here JSON with the
``dipole`` (e bohr). This module is loaded by i-PI's process and needs nothing of i-PI.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from densnet.potential import Array, Potential
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV, HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM

JOB = "driver.json"
"""In i-PI's working folder: what the model is and of which molecule."""

Answer = tuple[float, Array, Array, str]


class IpiDriver:
    """A potential as i-PI calls it.

    A virial of zeros stands for that of a molecule, which has no volume; cells are not looked at.

    Args:
        potential: of the molecule.
    """

    def __init__(self, potential: Potential) -> None:
        self.potential = potential

    def __call__(self, cell: Any, pos: Sequence[Array] | Array) -> Any:
        """Evaluate one structure, positions (i, x), or all of a list at once."""
        if isinstance(pos, list):
            return self._answers(np.stack(pos))
        return self._answers(np.asarray(pos)[None])[0]

    def _answers(self, positions: Array) -> list[Answer]:
        values = self.potential(positions * BOHR_IN_ANGSTROM)
        energy = values["energy"] / HARTREE_IN_EV
        forces = values["forces"] / HARTREE_PER_BOHR_IN_EV_PER_ANGSTROM
        dipole = values["dipole"] / BOHR_IN_ANGSTROM
        return [
            (float(energy[t]), np.ascontiguousarray(forces[t]), np.zeros((3, 3)), json.dumps({"dipole": mu.tolist()}))
            for t, mu in enumerate(dipole)
        ]


class ModelDriver(IpiDriver):
    """Our model as i-PI makes it: from :data:`JOB` in its working folder.

    Args:
        options: of i-PI, such as its verbosity; not used.

    Raises:
        DensnetError: the model cannot be read, or lacks an element.
    """

    def __init__(self, **options: Any) -> None:
        import torch

        from densnet.potentials.model import ModelPotential

        job = json.loads(Path(JOB).read_text("utf-8"))
        super().__init__(
            ModelPotential.from_file(
                Path(job["model"]),
                np.array(job["numbers"]),
                device="cuda" if torch.cuda.is_available() else "cpu",
                dtype=getattr(torch, job["dtype"]),
                recorded=job["recorded"],
            )
        )
