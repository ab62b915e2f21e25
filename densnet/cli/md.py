"""``densnet md``: molecular dynamics of many replicas."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from densnet.dynamics.settings import DynamicsSettings
from densnet.dynamics.simulation import simulate, starting_geometries
from densnet.dynamics.state import Potential
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.processes.replicas import ReplicaProcesses


def md(
    *,
    geometries: Path,
    output: Path,
    model: Path | None = None,
    peer: Literal["gfn2-xtb"] | None = None,
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
        Move the atoms by this model.
    peer
        Move them by this method instead.
    threads
        Processes that share the replicas, one thread each; a model on a GPU needs none.
    """
    if (model is None) == (peer is None):
        raise DensnetError("md: expected either --model FILE or --peer gfn2-xtb, found both or neither; give one")
    start, numbers, data = starting_geometries(geometries, settings)
    provenance = {"geometries": fingerprint(geometries)}
    if model is not None:
        provenance["model"] = fingerprint(model)
        potential = _model_potential(model, numbers, settings.replicas, threads)
    else:
        from densnet.dynamics.gfn2_potential import Gfn2Potential

        make = partial(Gfn2Potential, numbers, int(data.attrs["charge"]))
        potential = ReplicaProcesses("gfn2-xtb", make, replicas=settings.replicas, processes=threads)
    masses = np.asarray(data["masses"].values, dtype=float) if "masses" in data else None
    simulate(potential, start, numbers, settings, output=output, provenance=provenance, masses=masses)


def _model_potential(model: Path, numbers: NDArray[np.int64], replicas: int, threads: int) -> Potential:
    """Return the model on a GPU if there is one, else its replicas shared out over processes."""
    import torch

    from densnet.dynamics.model_potential import ModelPotential
    from densnet.models.checkpoint import load_ensemble

    if torch.cuda.is_available():
        return ModelPotential(model, numbers, "cuda", replicas)
    # here, so that a file that is no model is refused before any process starts
    load_ensemble(model).elements_of(numbers)
    return ReplicaProcesses(
        "model", partial(ModelPotential, model, numbers, "cpu"), replicas=replicas, processes=threads
    )
