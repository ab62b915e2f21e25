"""``densnet md``: molecular dynamics of many replicas."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import simulate, starting_geometries
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.kernel.kernel_files import is_kernel_file
from densnet.molecule import Molecule
from densnet.potential import Potential
from densnet.potentials import named
from densnet.potentials.kernel import KernelPotential
from densnet.processes.replicas import ReplicaProcesses


def md(
    *,
    geometries: Path,
    output: Path,
    model: Path | None = None,
    potential: Annotated[str | None, Parameter(name=["--potential", "--peer"])] = None,
    threads: int = 1,
    settings: Annotated[DynamicsSettings, Parameter(name="*")] = DynamicsSettings(),
) -> None:
    """Run replicas of the molecule: Langevin to thermalise, then constant energy.

    Parameters
    ----------
    geometries
        Output of 'densnet sample'; its training frames are the starting points.
    output
        The trajectory to write; stopped at any moment, the same command goes on.
    model
        Move the atoms by this model, or by an output of 'densnet kernel'.
    potential
        Move them by this potential instead, such as gfn2-xtb; docs/potentials.md has them all.
    threads
        Processes that share the replicas, one thread each; a model on a GPU needs none.
    """
    if (model is None) == (potential is None):
        raise DensnetError("md: expected either --model FILE or --potential NAME, found both or neither; give one")
    start, numbers, data = starting_geometries(geometries, settings)
    provenance = {"geometries": fingerprint(geometries)}
    mover: Potential
    if potential is not None:
        provenance["potential"] = potential
        molecule = Molecule(numbers, start[0], charge=int(data.attrs["charge"]), name=str(data.attrs["molecule"]))
        make = partial(named(potential), molecule)
        mover = ReplicaProcesses(make, replicas=settings.replicas, processes=threads)
    else:
        provenance["model"] = fingerprint(Path(str(model)))
        mover = _model_potential(Path(str(model)), numbers, settings.replicas, threads)
    masses = np.asarray(data["masses"].values, dtype=float) if "masses" in data else None
    simulate(mover, start, settings, output=output, provenance=provenance, masses=masses)


def _model_potential(model: Path, numbers: NDArray[np.int64], replicas: int, threads: int) -> Potential:
    """Return the model on a GPU if there is one, else its replicas shared out over processes."""
    if is_kernel_file(model):
        kernel = partial(KernelPotential.from_file, model, numbers)
        return ReplicaProcesses(kernel, replicas=replicas, processes=threads)
    import torch

    from densnet.potentials.model import ModelPotential

    if torch.cuda.is_available():
        return ModelPotential.from_file(model, numbers, device="cuda", recorded=True)
    make = partial(ModelPotential.from_file, model, numbers, recorded=True)
    return ReplicaProcesses(make, replicas=replicas, processes=threads)
