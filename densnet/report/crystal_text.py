"""What a test of a crystal prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from densnet.quantities import three_digits
from densnet.report.table import plain_table
from densnet.validation.conservation import EnergyLine
from densnet.validation.intactness import Intactness
from densnet.validation.radial_distribution import RadialDistribution, l1_distance


def intactness_text(intact: Intactness) -> str:
    """Say whether volume and molecules stay what they were."""
    volume = intact.volume
    frames = f"{volume.shape[1]} frame{'s' if volume.shape[1] > 1 else ''}"
    frames += f" of each of {len(volume)} replicas" if len(volume) > 1 else ""
    lines = [f"{intact.molecules} molecules in the cell, {frames}"]
    if np.ptp(volume) <= 1e-6 * volume.max():
        lines.append(f"The volume is {volume[0, 0]:.2f} Å³ in all of them.")
    else:
        lines.append(
            f"The volume is {volume.mean():.2f} Å³ in the mean, {volume.min():.2f} to {volume.max():.2f}; in the first "
            f"frame {volume[0, 0]:.2f}."
        )
    if intact.fault:
        lines.append(f"{intact.fault}: what follows is of the {intact.frames} frames before.")
    else:
        lines.append("No molecule is broken, and none has reacted with another.")
    return "\n".join(lines)


def distributions_text(
    distributions: Sequence[RadialDistribution], references: Sequence[RadialDistribution], reference: str
) -> str:
    """Return where each g(r) is highest, and how far it is from another one."""
    by_name = {each.elements: each for each in references}
    rows = []
    for each in distributions:
        top = int(each.g.argmax())
        row = [each.elements, f"{each.begins:.2f}", f"{each.r[top]:.2f}", f"{each.g[top]:.2f}"]
        row.append("-" if each.scatter is None else f"{each.scatter:.3f}")
        if references:
            row.append(f"{l1_distance(each.g, by_name[each.elements].g):.3f}")
        rows.append(row)
    heads = ["g(r) between molecules", "begins at [Å]", "highest at [Å]", "height", "L1 of both halves"]
    heads += [f"L1 from {reference}"] if references else []
    text = (
        plain_table(heads, rows)
        + "\nL1 is ∫|g - g'| dr over the mean of both integrals. 0: they agree; 2: they never meet."
    )
    return text + (" A distance no larger than that of both halves means nothing." if references else "")


def frames_text(line: EnergyLine, error: float | None, frames: int) -> str:
    """Return drift and fluctuation of the total energies that the frames of a trajectory have."""
    replicas = len(line.drift)
    drift = three_digits(float(line.drift.mean())) + ("" if error is None else f" ± {error:.1g}")
    rows = [
        [f"{line.timestep:g} fs", drift, three_digits(float(line.fluctuation.mean())), f"{line.relative.mean():.2e}"]
    ]
    heads = ["between frames", "drift [meV/atom/ps]", "fluctuation [meV/atom]", "mean |(E-E0)/E0|"]
    source = f"over {replicas} replicas" if replicas > 1 else "from blocks of frames"
    return (
        f"total energy of {frames} frames, taken as of constant energy\n\n{plain_table(heads, rows)}\n\n"
        + (f"± is the standard error {source}. " if error is not None else "Too few frames for a standard error. ")
        + "The last column depends on where the potential has its zero of energy."
    )
