"""``densnet geometries``: frames of one's own, to be labelled."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.io.fingerprint import fingerprint
from densnet.io.netcdf import write_dataset
from densnet.reference.given_frames import METHOD_VERSION, given_geometries
from densnet.reference.settings import GivenFramesSettings


def geometries(
    *,
    xyz: Path,
    output: Path,
    charge: int = 0,
    settings: Annotated[GivenFramesSettings, Parameter(name="*")] = GivenFramesSettings(),
) -> None:
    """Take the frames of an xyz file as they are, in the place of sampled ones, to be labelled.

    Args:
        xyz: xyz file of many frames of one molecule, its atoms always in the same order.
        output: netCDF file to write; it is used like an output of 'densnet sample'.
        charge: total charge.
        settings: how the frames are dealt.
    """
    dataset = given_geometries(xyz, settings, charge=charge)
    recorded = {**asdict(settings), "xyz": fingerprint(xyz)}
    write_dataset(dataset, output, stage="sample", method_version=METHOD_VERSION, settings=recorded)
