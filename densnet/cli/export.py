"""``densnet export``: outcomes in the formats of other programs."""

from __future__ import annotations

import sys
from pathlib import Path


def trajectory(trajectory: Path, *, output: Path, replica: int | None = None, stride: int = 1) -> None:
    """Write a trajectory as extended xyz, DCD or XTC, for VMD, OVITO and the like.

    Parameters
    ----------
    trajectory
        Output of 'densnet md'.
    output
        The file: .xyz or .extxyz with energies and dipoles, .dcd or .xtc with a .pdb of atoms and bonds beside it.
    replica
        One of the replicas, from 0; all of them without it, one after the other.
    stride
        Write every so many frames of each replica.
    """
    from densnet.dynamics.export import export_trajectory

    written = export_trajectory(trajectory, output, replica, stride)
    print(f"export: {', '.join(map(str, written))}", file=sys.stderr)
