"""What a test of structures prints."""

from __future__ import annotations

from collections.abc import Sequence

from densnet.report.table import plain_table
from densnet.validation.pair_distances import PairHistogram
from densnet.validation.structures import StructureComparison


def structure_text(comparison: StructureComparison) -> str:
    """Return the deviations of a relaxed geometry from the reference's."""
    lines = [
        comparison.verdict,
        f"Root mean square distance of all atoms after superposition: {comparison.rmsd:.4f} Å",
    ]
    for what, differences, unit, decimals in (
        ("a bond length", comparison.lengths, " Å", 4),
        ("an angle", comparison.angles, "°", 2),
    ):
        if differences:
            worst = max(differences, key=lambda difference: difference.size)
            mean = sum(difference.size for difference in differences) / len(differences)
            lines.append(
                f"Largest difference of {what}: {worst.size:.{decimals}f}{unit}, {worst.name} "
                f"({worst.tested:.{decimals}f}, reference {worst.reference:.{decimals}f}); "
                f"mean of {len(differences)}: {mean:.{decimals}f}{unit}"
            )
    return "\n".join(lines)


def histograms_text(histograms: Sequence[PairHistogram]) -> str:
    """Return how far the pair distances of two trajectories are apart."""
    rows = [[each.elements, f"{each.apart:.3f}", f"{each.scatter:.3f}"] for each in histograms]
    return plain_table(["L1 distance of pair distances", "of both", "of halves of --against"], rows) + (
        "\n0: they agree; 2: they never meet. The last column is what the length of the trajectories leaves open."
    )
