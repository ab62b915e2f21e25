"""Errors on labelled frames by the condition they come from, and whether a potential knows where it is wrong.

A frame is *far off* if the mean error of its force components is more than :data:`FAR` times the median of the test
frames, or of all where no frame is a test frame. An alarm is good if it goes off for these frames, and for few others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from densnet.errors import DensnetError
from densnet.potential import Array, Potential, joined
from densnet.quantities import DIPOLE, ENERGY, FORCES, PREDICTED, ErrorScale
from densnet.validation.findings import Finding

FAR = 5.0
"""Times the median of the test frames."""
DENSITY = "density"
SHOWN = {DENSITY: ErrorScale(DENSITY, "", 1.0, "%", "")} | {name: q.error for name, q in PREDICTED.items()}
"""Whose errors are shown, and how."""
ALL = "all"
"""The condition of all frames together."""
DOMAIN = "domain distance above 0"
SPREAD = f"spread of the forces above {FAR:g} times its median"


@dataclass(frozen=True)
class JudgedFrames:
    """Errors of a potential on T labelled frames, and what it says of its own reliability there.

    Attributes:
        condition: where each frame comes from, (T,).
        test: whether it is a test frame, (T,).
        errors: by quantity, (T,): of the density, if the potential has one, NMAE in percent; of the dipole in D, of the
            energy in meV/atom, mean of force components in meV/Å.
        domain_distance: (T,), None if the potential has none.
        spreads: by quantity, (T,), of an ensemble; else empty.
        unanswered: number of frames for which there was no answer; they are not among the T.
    """

    condition: NDArray[np.str_]
    test: NDArray[np.bool_]
    errors: Mapping[str, Array]
    domain_distance: Array | None
    spreads: Mapping[str, Array]
    unanswered: int = 0

    @property
    def shown(self) -> list[str]:
        """Return the conditions in the order in which they first occur, and after several :data:`ALL`."""
        conditions = list(dict.fromkeys(self.condition.tolist()))
        return [*conditions, ALL] if len(conditions) > 1 else conditions

    def rows(self, condition: str) -> NDArray[np.bool_]:
        """Return which frames are of a condition, (T,); :data:`ALL` are of "all"."""
        return np.full(len(self.condition), True) if condition == ALL else self.condition == condition


@dataclass(frozen=True)
class Alarm:
    """How well an alarm tells frames that are far off from the others.

    Attributes:
        name: when it goes off.
        far: number of frames that are far off.
        caught: share of these for which it goes off; NaN if there are none.
        false: share of the others for which it goes off; NaN if there are none.
    """

    name: str
    far: int
    caught: float
    false: float


def judged_frames(
    potential: Potential,
    positions: Array,
    reference: Mapping[str, Array],
    *,
    condition: NDArray[np.str_],
    test: NDArray[np.bool_],
    batch: int | None,
    density: Array | None = None,
    remove_offset: bool = False,
) -> JudgedFrames:
    """Compare a potential with labels, frame by frame.

    Args:
        potential: of the molecule.
        positions: Angstrom, (T, i, x).
        reference: energy (T,) in eV, forces (T, i, x) in eV/Angstrom, dipole (T, x) in e Angstrom.
        condition: where each frame comes from, (T,).
        test: whether it is a test frame, (T,).
        batch: frames that are evaluated at once; None: all.
        density: errors of the density in percent, (T,), of a potential that has one.
        remove_offset: take the median off the errors of the energy, for a potential with another zero of energy.

    Raises:
        DensnetError: no frame for which there is an answer.
    """
    size = batch or len(positions)
    parts, outside = [], []
    for start in range(0, len(positions), size):
        potential.forget()
        parts.append(dict(potential(positions[start : start + size])))
        outside.append(potential.domain_distance(positions[start : start + size]))
    said = joined(parts)
    answered = np.isfinite(said["energy"]) & np.isfinite(said["forces"]).all(axis=(1, 2))
    if not answered.any():
        raise DensnetError(f"{potential.name}: has an energy for none of the {len(positions)} frames; check the labels")
    off = {name: said[name] - reference[name] for name in PREDICTED if name in said}
    if remove_offset:
        off[ENERGY.name] = off[ENERGY.name] - np.median(off[ENERGY.name][answered])
    distance = None if outside[0] is None else np.concatenate([part for part in outside if part is not None])
    off[ENERGY.name] = off[ENERGY.name] / len(potential.numbers)
    return JudgedFrames(
        condition[answered],
        test[answered],
        ({} if density is None else {DENSITY: density[answered]})
        | {name: _sizes(name, values)[answered] for name, values in off.items()},
        None if distance is None else distance[answered],
        {
            name: said[f"{name}_spread"].reshape(len(positions), -1).mean(axis=1)[answered]
            for name in off
            if f"{name}_spread" in said
        },
        int((~answered).sum()),
    )


def joined_frames(parts: Sequence[JudgedFrames]) -> JudgedFrames:
    """Return frames of several files as of one; what one of them lacks, all lack."""
    distances = [part.domain_distance for part in parts if part.domain_distance is not None]
    return JudgedFrames(
        np.concatenate([part.condition for part in parts]),
        np.concatenate([part.test for part in parts]),
        {name: np.concatenate([part.errors[name] for part in parts]) for name in parts[0].errors},
        np.concatenate(distances) if len(distances) == len(parts) else None,
        {name: np.concatenate([part.spreads[name] for part in parts]) for name in parts[0].spreads},
        sum(part.unanswered for part in parts),
    )


def alarms(frames: JudgedFrames) -> list[Alarm]:
    """Return how the domain distance and the spread of an ensemble fare, as far as the potential has them."""
    usual = frames.test if frames.test.any() else frames.rows(ALL)
    error = frames.errors[FORCES.name]
    far = error > FAR * np.median(error[usual])
    raised = {}
    if frames.domain_distance is not None:
        raised[DOMAIN] = frames.domain_distance > 0
    if FORCES.name in frames.spreads:
        spread = frames.spreads[FORCES.name]
        raised[SPREAD] = spread > FAR * np.median(spread[usual])
    return [Alarm(name, int(far.sum()), _share(on[far]), _share(on[~far])) for name, on in raised.items()]


def correlations(frames: JudgedFrames) -> dict[tuple[str, str], float]:
    """Return Spearman's rank correlations by (what is said beforehand, quantity); NaN where one of both is constant.

    The domain distance with the errors of all quantities, and the spread of each quantity with its own error.
    """
    pairs = {("spread", name): (spread, frames.errors[name]) for name, spread in frames.spreads.items()}
    if frames.domain_distance is not None:
        pairs |= {("domain distance", name): (frames.domain_distance, error) for name, error in frames.errors.items()}
    return {
        which: float(spearmanr(*series).statistic) if all(np.ptp(values) > 0 for values in series) else float("nan")
        for which, series in pairs.items()
    }


def ladder_findings(frames: JudgedFrames) -> list[Finding]:
    """Return the errors of each condition and of all frames, the alarms, and the correlations."""
    findings = [Finding("frames without an answer", ALL, frames.unanswered, "1")]
    for condition in frames.shown:
        rows = frames.rows(condition)
        findings.append(Finding("frames", condition, int(rows.sum()), "1"))
        for name, error in frames.errors.items():
            unit = SHOWN[name].unit
            findings.append(Finding(f"mean error of the {name}", condition, float(error[rows].mean()), unit))
            findings.append(
                Finding(f"largest error of the {name} of a frame", condition, float(error[rows].max()), unit)
            )
        if frames.domain_distance is not None:
            outside = _share(frames.domain_distance[rows] > 0)
            findings.append(Finding("share of frames with a domain distance above 0", condition, outside, "1"))
    for alarm in alarms(frames):
        findings.append(Finding(f"frames with more than {FAR:g} times the median force error", ALL, alarm.far, "1"))
        findings.append(Finding("share of these that an alarm catches", alarm.name, alarm.caught, "1"))
        findings.append(Finding("share of other frames with a false alarm", alarm.name, alarm.false, "1"))
    return findings + [
        Finding(f"rank correlation of the {said} with the error", name, value, "1")
        for (said, name), value in correlations(frames).items()
    ]


def _sizes(name: str, off: Array) -> Array:
    """Return the sizes of errors (T, ...) in the units that are shown, (T,): of forces the mean over components."""
    scale, size = PREDICTED[name].error, np.abs(off)
    if name == DIPOLE.name:
        size = np.linalg.norm(off, axis=-1)
    elif name == FORCES.name:
        size = size.mean(axis=(1, 2))
    return np.asarray(scale.factor * size)


def _share(which: NDArray[np.bool_]) -> float:
    return float(which.mean()) if len(which) else float("nan")
