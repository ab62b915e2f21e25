"""``densnet moments``: charges and multipoles along a trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.density.settings import MomentsSettings


def moments(
    *,
    trajectory: Path,
    output: Path,
    model: Path | None = None,
    settings: Annotated[MomentsSettings, Parameter(name="*")] = MomentsSettings(),
    processes: int = 1,
) -> None:
    """Write dipole, quadrupole and atomic charges of the densities along a trajectory.

    Parameters
    ----------
    trajectory
        Output of 'densnet md', or of 'densnet fit', whose own densities are taken if no model is given.
    output
        The file to write; stopped at any moment, the same command goes on.
    model
        Makes the densities.
    processes
        Worker processes, one thread each.
    """
    from densnet.models.moments import trajectory_moments

    trajectory_moments(trajectory, output, settings, model=model, processes=processes)
