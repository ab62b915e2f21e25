"""What a reader of a spectrum has to know before believing it: large errors, and dynamics away from the labels."""

from __future__ import annotations

from densnet.report.metrics import Metrics

FORCE_ERROR = 40.0
"""meV/Å; 24 meV/Å went with harmonic lines of ethanol that were 15 1/cm off in the mean and 46 at most, 69 meV/Å with a
C=O stretch of formamide 120 1/cm too high."""
OUTSIDE = 30.0
"""%, three times the share of the training frames themselves."""


def doubts(metrics: Metrics) -> list[str]:
    """Return a sentence for each reason to doubt the spectrum of a system, with its remedy."""
    sentences = []
    force_error, outside = metrics.get("force_mae_mev_per_angstrom"), metrics.get("md_outside_percent")
    if force_error is not None and force_error > FORCE_ERROR:
        sentences.append(
            f"Forces on held-out frames are off by {force_error:.0f} meV/Å on average, too much for a spectrum: lines "
            "may be off by tens of 1/cm. Label more frames (sampling.n_train) or train longer."
        )
    if outside is not None and outside > OUTSIDE:
        sentences.append(
            f"{outside:.0f} % of the dynamics lies outside of the training frames, where errors are larger. "
            "Sample at a higher temperature or more conformers, or lower md.temperature."
        )
    return sentences
