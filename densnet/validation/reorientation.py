"""How fast a molecule forgets where its axes pointed, and how well the molecules of a crystal or cluster are aligned.

C₂(τ) = <P₂(u(t) · u(t + τ))>, the average over time origins t, is 1 at τ = 0 and exp(-6 D τ) for a sphere that turns
in small steps with the diffusion coefficient D (Debye; Berne, Pecora, Dynamic Light Scattering, Wiley 1976, ch. 7). P₂
of a frame is the largest eigenvalue of Q = <3 u uᵀ - 1> / 2, the average over molecules (de Gennes, Prost, The Physics
of Liquid Crystals, Oxford 1993, ch. 2). Both do not depend on the sign of u.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from densnet.errors import DensnetError
from densnet.potential import Array
from densnet.units import PS_IN_FS
from densnet.validation.conservation import mean_and_error
from densnet.validation.findings import Finding
from densnet.validation.molecular_axes import WholeMolecules, carried_axes, principal_axes

LEAST_FRAMES = 10
"""Of a trajectory of which C₂ is computed."""
LEAST_BLOCKS = 8
"""Of frames, for a standard error of their mean."""
DECAYED = 0.1
"""C₂ has decayed where it is below this and not above its standard error."""
TIMES = 8
"""At which C₂ is printed, at about equal ratios."""


@dataclass(frozen=True)
class Reorientation:
    """C₂ of an axis.

    Attributes:
        axis: "smallest", "middle", "largest": its moment of inertia.
        moment: Da Å², in the first frame.
        time: ps, (τ,), to half of the trajectory.
        replicas: C₂ of each, (replica, τ).
    """

    axis: str
    moment: float
    time: Array
    replicas: Array

    @property
    def mean(self) -> Array:
        """Return C₂, (τ,)."""
        return np.asarray(self.replicas.mean(axis=0))

    @property
    def error(self) -> Array | None:
        """Return the standard error of C₂ over replicas, (τ,); None of one replica."""
        count = len(self.replicas)
        return np.asarray(self.replicas.std(axis=0, ddof=1) / np.sqrt(count)) if count > 1 else None

    @property
    def end(self) -> int | None:
        """Return the first τ at which C₂ is not above its standard error (of one replica: zero) and :data:`DECAYED`.

        There the integral ends: what follows is noise. None if there is no such τ, or if C₂ comes back: if its mean
        over what follows is above :data:`DECAYED` and twice its standard error, as without collisions.
        """
        bound = np.zeros(len(self.time)) if self.error is None else np.minimum(self.error, DECAYED)
        decayed = np.flatnonzero(self.mean <= bound)
        if not len(decayed):
            return None
        rest = self.replicas[:, decayed[0] :].mean(axis=1)
        rest_error = mean_and_error(rest)[1] if len(rest) > 1 else 0.0
        return None if rest.mean() > max(DECAYED, 2 * rest_error) else int(decayed[0])

    @property
    def correlation_times(self) -> Array | None:
        """Return ∫ C₂ dτ of each replica in ps, (replica,), to :attr:`end`; None if C₂ has not decayed."""
        if self.end is None:
            return None
        return np.asarray(np.trapezoid(self.replicas[:, : self.end + 1], self.time[: self.end + 1], axis=1))

    @property
    def shown(self) -> list[int]:
        """Return at which τ to give C₂."""
        return [int(step) for step in np.unique(np.geomspace(1, len(self.time) - 1, TIMES).round())]


@dataclass(frozen=True)
class OrientationalOrder:
    """P₂ of an axis over the molecules of each frame.

    Attributes:
        axis: "smallest", "middle", "largest": its moment of inertia.
        moment: Da Å², the mean over molecules in the first frame.
        gap: the least difference from another moment over the larger of both; near zero it does not tell which axis of
            one molecule is which of another.
        molecules: their number.
        frames: P₂ of each, (replica, time).
    """

    axis: str
    moment: float
    gap: float
    molecules: int
    frames: Array

    @property
    def mean(self) -> float:
        """Return the mean over frames."""
        return float(self.frames.mean())

    @property
    def error(self) -> float | None:
        """Return the standard error of the mean, from blocks of frames; None of too few frames."""
        return block_error(self.frames)


def c2(axes: Array) -> Array:
    """Return C₂ of unit vectors (..., time, x) at τ = 0, 1, ..., half of the frames, (..., τ), averaged over origins.

    (u · u')² = Σ_xy u_x u_y u'_x u'_y, so it is a sum of six correlations, each by a Fourier transform.
    """
    frames = axes.shape[-2]
    lags = frames // 2 + 1
    squared = np.zeros((*axes.shape[:-2], lags))
    for x in range(3):
        for y in range(x, 3):
            product = axes[..., x] * axes[..., y]
            correlation = fftconvolve(product, product[..., ::-1], axes=-1)[..., frames - 1 : frames - 1 + lags]
            squared += (1 if x == y else 2) * correlation
    return np.asarray(1.5 * squared / (frames - np.arange(lags)) - 0.5)


def p2(axes: Array) -> Array:
    """Return the largest eigenvalue of Q = <3 u uᵀ - 1> / 2 of unit vectors (..., m, x), averaged over m, (...)."""
    q = 1.5 * np.einsum("...mx,...my->...xy", axes, axes) / axes.shape[-2] - 0.5 * np.eye(3)
    return np.asarray(np.linalg.eigvalsh(q)[..., -1])


def block_error(series: Array) -> float | None:
    """Return the standard error of the mean of correlated values, (replica, time); None of too few frames.

    Frames are averaged in blocks of 1, 2, 4, ... of one replica each, and the largest of the errors of these means is
    taken, while there are :data:`LEAST_BLOCKS` (Flyvbjerg, Petersen, J. Chem. Phys. 91, 461 (1989)).
    """
    blocks, errors = series, []
    while blocks.size >= LEAST_BLOCKS:
        errors.append(float(blocks.std(ddof=1) / np.sqrt(blocks.size)))
        pairs = blocks.shape[1] // 2
        blocks = blocks[:, : 2 * pairs].reshape(len(blocks), pairs, 2).mean(axis=-1)
    return max(errors, default=None)


def reorientation(molecules: WholeMolecules, interval: float, name: str) -> list[Reorientation]:
    """Return C₂ of each axis of one molecule along its replicas.

    Args:
        molecules: one.
        interval: fs between frames.
        name: of the trajectory, for the message.

    Raises:
        DensnetError: several molecules, or fewer frames than :data:`LEAST_FRAMES`.
    """
    _, frames, count = molecules.positions.shape[:3]
    if count > 1:
        raise DensnetError(f"{name}: expected one molecule, found {count} {molecules.formula}; use --order for P2")
    if frames < LEAST_FRAMES:
        raise DensnetError(f"{name}: expected {LEAST_FRAMES} frames or more of each replica, found {frames}")
    moments, _ = principal_axes(molecules.masses, molecules.positions[0, 0])
    axes = carried_axes(molecules)[:, :, 0]
    time = interval / PS_IN_FS * np.arange(frames // 2 + 1)
    return [Reorientation(axis, float(moments[0, k]), time, c2(axes[:, :, k])) for k, axis in enumerate(molecules.axes)]


def alignment(molecules: WholeMolecules, name: str) -> list[OrientationalOrder]:
    """Return P₂ of each axis over the molecules of each frame.

    Raises:
        DensnetError: one molecule only.
    """
    count = molecules.positions.shape[2]
    if count < 2:
        raise DensnetError(
            f"{name}: expected two molecules or more for P2, found one, {molecules.formula}; leave out --order"
        )
    moments = principal_axes(molecules.masses, molecules.positions[0, 0])[0].mean(axis=0)
    between = np.diff(moments) / moments[1:]
    gaps = between[0], between.min(), between[1]
    axes = carried_axes(molecules)
    return [
        OrientationalOrder(axis, float(moments[k]), float(gaps[k]), count, p2(axes[:, :, :, k]))
        for k, axis in enumerate(molecules.axes)
    ]


def reorientation_findings(turning: list[Reorientation], condition: str) -> list[Finding]:
    """Return C₂ at some times and its integral, or that it has not decayed."""
    findings = []
    for each in turning:
        axis = f"{condition}; axis of the {each.axis} moment"
        for step in each.shown:
            at = f"{axis}; {each.time[step]:g} ps"
            findings.append(Finding("C2", at, float(each.mean[step]), "1"))
            if each.error is not None:
                findings.append(Finding("C2: standard error", at, float(each.error[step]), "1"))
        integrals, what = each.correlation_times, "integral correlation time of C2"
        if integrals is None:
            findings.append(
                Finding("C2 has not decayed, its last value", f"{axis}; {each.time[-1]:g} ps", each.mean[-1], "1")
            )
        elif len(integrals) > 1:
            mean, error = mean_and_error(integrals)
            findings += [Finding(what, axis, mean, "ps"), Finding(f"{what}: standard error", axis, error, "ps")]
        else:
            findings.append(Finding(what, axis, float(integrals[0]), "ps"))
    return findings


def alignment_findings(aligned: list[OrientationalOrder], condition: str) -> list[Finding]:
    """Return the mean of P₂ over frames for each axis."""
    replicas, frames = aligned[0].frames.shape
    findings = [
        Finding("molecules", condition, aligned[0].molecules, "1"),
        Finding("frames", condition, replicas * frames, "1"),
    ]
    for each in aligned:
        axis = f"{condition}; axis of the {each.axis} moment"
        findings.append(Finding("P2", axis, each.mean, "1"))
        if each.error is not None:
            findings.append(Finding("P2: standard error", axis, each.error, "1"))
        findings.append(Finding("least relative difference of the moment from another", axis, each.gap, "1"))
    return findings
