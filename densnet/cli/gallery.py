"""``densnet gallery``: many molecules beside experiment, in one table and one figure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.report.gallery import gallery, read_system
from densnet.report.gallery_figures import gallery as draw
from densnet.report.gallery_table import molecule_cells, written
from densnet.report.style import write_picture
from densnet.report.table import plain_table

_MANY = Parameter(consume_multiple=True, negative="")


def gallery_of_systems(
    *,
    systems: Annotated[tuple[Path, ...], _MANY],
    output: Path,
    harmonic: Annotated[tuple[str, ...], _MANY] = (),
) -> None:
    """Set lines of many molecules beside their measured fundamentals: a table and a figure of all.

    All fundamentals count, also those that no infrared spectrum shows. A harmonic line belongs to the fundamental of
    its symmetry species.

    Args:
        systems: folders of systems such as results/demo/ethanol, each with comparison.nc, harmonic.nc (of the model),
            harmonic_psi4.nc and the like; what one of them lacks is a gap with one line.
        output: folder for gallery.csv (a row a molecule), gallery_lines.csv (a row a fundamental), gallery_remarks.txt
            and gallery.png.
        harmonic: outputs of 'densnet harmonic' that lie elsewhere, as SYSTEM=FILE.
    """
    beside: dict[str, list[Path]] = {folder.resolve().name: [] for folder in systems}
    for entry in harmonic:
        name, separator, path = entry.partition("=")
        if not separator or name not in beside:
            raise DensnetError(f"harmonic: expected SYSTEM=FILE with a system of {', '.join(beside)}, found {entry!r}")
        beside[name].append(Path(path))
    outcome = gallery([read_system(folder, beside[folder.resolve().name]) for folder in systems])
    for name, text in written(outcome).items():
        write_text(output / name, text)
    print(f"gallery: {write_picture(draw(outcome), output)}", file=sys.stderr)
    for remark in outcome.remarks:
        print(f"gallery: {remark}", file=sys.stderr)
    print(plain_table(*molecule_cells(outcome)), file=sys.stderr)
