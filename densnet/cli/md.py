"""``densnet md``: molecular dynamics of many replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from densnet.dynamics.simulation import DynamicsSettings, simulate, starting_geometries
from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint


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
        CPU threads of the model, or processes of the peer.
    """
    if (model is None) == (peer is None):
        raise DensnetError("md: expected either --model FILE or --peer gfn2-xtb, found both or neither; give one")
    start, numbers, data = starting_geometries(geometries, settings)
    charge = int(data.attrs["charge"])
    if model is not None:
        import torch

        from densnet.dynamics.model_potential import ModelPotential

        torch.set_num_threads(threads)
        simulate(
            ModelPotential(model, numbers),
            start,
            numbers,
            settings,
            output=output,
            provenance={"model": fingerprint(model), "geometries": fingerprint(geometries)},
        )
    else:
        from densnet.dynamics.gfn2_potential import Gfn2Potential

        simulate(
            Gfn2Potential(numbers, charge, settings.replicas, threads),
            start,
            numbers,
            settings,
            output=output,
            provenance={"peer": peer, "geometries": fingerprint(geometries)},
        )
