r"""Which motions a band belongs to: the kinetic energy of a trajectory by stretches, bends, torsions and by unit.

With mass-weighted velocities :math:`w = M^{1/2} v` and :math:`b = M^{-1/2} \partial q / \partial R`, the vectors b of
all stretches span a space; what w has in it is their kinetic energy. Bends are what is left of their vectors when the
stretches' space is taken out (at flat atoms in the plane of the neighbours), torsions what is left after both; the rest
is the motion of the whole. Inside a kind the vectors are made orthonormal symmetrically (Löwdin, J. Chem. Phys. 18, 365
(1950)), :math:`e = G^{-1/2} b`, :math:`G = b b^T`, so that the kinetic energy :math:`\frac12 \sum_k (e_k \cdot w)^2`
is a sum over coordinates that move with the molecule; redundant ones share it. The power spectrum of each
:math:`e_k \cdot w` says at which wavenumbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import signal

from densnet.errors import DensnetError
from densnet.io.netcdf import variable
from densnet.spectra.internal_coordinates import KINDS, InternalCoordinates
from densnet.spectra.power import undo_verlet_shift
from densnet.spectra.settings import SpectrumSettings
from densnet.spectra.windows import segment_length, window_values
from densnet.units import DALTON_ANGSTROM2_PER_FS2_IN_EV, SPEED_OF_LIGHT_IN_CM_PER_FS

METHOD_VERSION: int = 4

Array = NDArray[np.float64]

PARTS = (*KINDS, "rest")
PIECE = 64
"""Geometries that are taken apart at once."""
SMALLEST_EIGENVALUE = 1e-6
"""Of G relative to the largest b²: below it a combination of coordinates is no motion of its own. Not relative to the
largest that is left: where the kinds before have taken everything, that is rounding error."""
FLAT_EIGENVALUE = 1e-2
"""The same for bends of molecules with flat atoms, before torsions: combinations that do nothing in the plane of
thiophene reach 0.005 while it vibrates, the others begin at 0.19. What bends still add to torsions is bends too."""


@dataclass(frozen=True)
class Motions:
    """Orthonormal vectors of each kind at some geometries: (t, m, 3 i), rows e_k, zero for what is redundant."""

    of: dict[str, Array]

    def components(self, w: Array) -> dict[str, Array]:
        """Return e_k · w of mass-weighted velocities (t, 3 i) for each kind, (t, m), and what is left, (t, 3 i)."""
        projections, left = {}, w
        for kind, e in self.of.items():
            projections[kind] = np.einsum("tmx,tx->tm", e, w)
            left = left - np.einsum("tmx,tm->tx", e, projections[kind])
        return projections | {"rest": left}


def motions(coordinates: InternalCoordinates, positions: Array, masses: Array) -> Motions:
    """Return the motions of each kind at geometries (t, i, 3) in Angstrom; masses (i,) in Da."""
    heavy = np.repeat(masses, 3) ** -0.5
    vectors = {kind: derivatives * heavy for kind, derivatives in coordinates.derivatives(positions).items()}
    passes = [(kind, SMALLEST_EIGENVALUE) for kind in KINDS]
    if coordinates.has_flat:
        # bends in their planes turn the molecule a little
        whole, b = _motions_of_the_whole(positions, masses), coordinates.in_plane(positions, vectors["bend"])
        vectors["bend"] = b - (b @ whole) @ whole.transpose(0, 2, 1)
        passes = [("stretch", SMALLEST_EIGENVALUE), ("bend", FLAT_EIGENVALUE), *passes[2:], *passes[1:2]]
    orthonormal: list[tuple[str, Array]] = []
    for kind, smallest in passes:
        b = vectors[kind]
        size = (b**2).sum(2).max(1, initial=0.0)[:, None]
        for _, e in orthonormal:
            b = b - (b @ e.transpose(0, 2, 1)) @ e
        orthonormal.append((kind, _orthonormal(b, smallest * size)))
    return Motions({kind: np.concatenate([e for name, e in orthonormal if name == kind], axis=1) for kind in KINDS})


def _orthonormal(b: Array, smallest: Array) -> Array:
    """Return vectors (t, m, 3 i) made orthonormal symmetrically; combinations below a b² (t, 1) are left out."""
    values, vectors = np.linalg.eigh(b @ b.transpose(0, 2, 1))
    independent = values > smallest
    roots = np.where(independent, 1 / np.sqrt(np.where(independent, values, 1.0)), 0.0)
    return np.asarray((vectors * roots[:, None]) @ vectors.transpose(0, 2, 1) @ b)


def _motions_of_the_whole(positions: Array, masses: Array) -> Array:
    """Return orthonormal mass-weighted translations and rotations of geometries (t, i, 3), no line, (t, 3 i, 6)."""
    centred = positions - np.einsum("i,tix->tx", masses / masses.sum(), positions)[:, None]
    turned = np.stack([np.cross(axis, centred) for axis in np.eye(3)], axis=-1).reshape(len(positions), -1, 3)
    moved = np.broadcast_to(np.tile(np.eye(3), (len(masses), 1)), turned.shape)
    return np.linalg.qr(np.concatenate([moved, turned], axis=2) * np.repeat(masses, 3)[:, None] ** 0.5)[0]


def shares_of(coordinates: InternalCoordinates, positions: Array, masses: Array, modes: Array) -> dict[str, Array]:
    """Return the share of kinetic energy that each kind has in mass-weighted modes (n, 3 i) at a geometry, (n,)."""
    directions = motions(coordinates, positions[None], masses)
    parts = [directions.components(mode[None]) for mode in modes]
    return {kind: np.array([float((p[kind] ** 2).sum()) for p in parts]) for kind in PARTS}


def assign(trajectory: xr.Dataset, settings: SpectrumSettings, unit: NDArray[np.int64] | None = None) -> xr.Dataset:
    """Return the kinetic energy of a trajectory by wavenumber, kind and name of motion, and by unit of a chain.

    Args:
        trajectory: outcome of "md".
        settings: window, resolution and time step's shift, as for the infrared spectrum; wavenumbers within its range
            are kept.
        unit: of each atom, (i,), of a chain.

    Raises:
        DensnetError: too short for the resolution, or units of another molecule.
    """
    numbers, masses = trajectory["numbers"].values, trajectory["masses"].values
    if unit is not None and len(unit) != len(numbers):
        raise DensnetError(f"units: expected one for each of the {len(numbers)} atoms, found {len(unit)}")
    interval = float(np.diff(trajectory["time"].values[:2])[0])
    length = segment_length(settings, interval, trajectory.sizes["time"])
    positions = trajectory["positions"].transpose("replica", "time", "atom", "x").values.astype(float)
    velocities = trajectory["velocities"].transpose("replica", "time", "atom", "x").values.astype(float)
    coordinates = InternalCoordinates.of(numbers, positions[0, 0])
    by_kind: dict[str, list[Array]] = {kind: [] for kind in PARTS}
    called = coordinates.names(numbers, positions.reshape(-1, *positions.shape[2:]))
    names = list(dict.fromkeys(name for kind in KINDS for name in called[kind]))
    by_name: list[Array] = []
    by_unit: list[Array] = []
    for r, v in zip(positions, velocities, strict=True):
        parts, internal = _taken_apart(coordinates, r, v, masses)
        spectra = {kind: _spectrum(parts[kind], interval, length, settings) for kind in PARTS}
        for kind, spectrum in spectra.items():
            by_kind[kind].append(spectrum.sum(-1))
        columns = {name: spectra[name.split()[-1]] for name in names}
        by_name.append(np.stack([columns[name][:, _are(called, name, columns[name])].sum(-1) for name in names]))
        if unit is not None:
            by_atom = _spectrum(internal, interval, length, settings).reshape(-1, len(numbers), 3).sum(-1)
            by_unit.append(np.stack([by_atom[:, unit == n].sum(-1) for n in range(unit.max() + 1)]))
    wavenumber: Array = np.asarray(np.fft.rfftfreq(length, interval) / SPEED_OF_LIGHT_IN_CM_PER_FS, dtype=np.float64)
    energy = np.stack([np.mean(by_kind[kind], axis=0) for kind in PARTS])
    whole = energy.sum(1) * float(wavenumber[1])
    every = np.concatenate([energy, np.mean(by_name, axis=0), *([np.mean(by_unit, axis=0)] if by_unit else [])])
    if settings.correct_timestep and "timestep_fs" in trajectory.attrs:
        wavenumber, every = undo_verlet_shift(wavenumber, every, float(trajectory.attrs["timestep_fs"]))
    shown = (wavenumber >= settings.wavenumber_min) & (wavenumber <= settings.wavenumber_max)
    data = {
        "kinetic_energy": variable(
            ("kind", "wavenumber"),
            every[: len(PARTS), shown],
            "eV cm",
            "mean kinetic energy per wavenumber of each kind",
        ),
        "kinetic_energy_total": variable(
            ("kind",), whole, "eV", "mean kinetic energy of each kind of motion, over all wavenumbers"
        ),
    }
    past = len(PARTS) + len(names)
    data["kinetic_energy_by_name"] = variable(
        ("name", "wavenumber"), every[len(PARTS) : past, shown], "eV cm", "part of it in coordinates of one name"
    )
    if unit is not None:
        said = "mean kinetic energy per wavenumber of each unit's internal motion"
        data["kinetic_energy_by_unit"] = variable(("unit", "wavenumber"), every[past:, shown], "eV cm", said)
    coords = {
        "kind": variable(("kind",), list(PARTS), "1", "kind of motion"),
        "name": variable(("name",), names, "1", "bonds that stretch, angles that bend, bonds that are turned about"),
        "wavenumber": variable(("wavenumber",), wavenumber[shown], "cm-1", "wavenumber"),
    }
    return xr.Dataset(data, coords, {"resolution_wavenumber": settings.resolution, "window": settings.window})


def _are(called: dict[str, list[str]], name: str, columns: Array) -> NDArray[np.bool_]:
    """Return which columns (n, m) of a kind's spectrum are of coordinates of a name; bends may come twice."""
    alike = np.array(called[name.split()[-1]]) == name
    return np.tile(alike, columns.shape[1] // len(alike))


def line_shares(assignment: xr.Dataset, lines: Array, of: str = "kinetic_energy") -> Array:
    """Return the share of each kind in the kinetic energy within the resolution of lines (n,) in 1/cm, (n, kind).

    Args:
        of: ``kinetic_energy_by_unit`` for the shares of a chain's units, (n, unit); likewise ``_by_name``.
    """
    wavenumber, energy = assignment["wavenumber"].values, assignment[of].values
    width = max(float(assignment.attrs["resolution_wavenumber"]) / 2, float(np.diff(wavenumber[:2])[0]))
    inside = np.abs(wavenumber - lines[:, None]) <= width
    energies = inside.astype(float) @ energy.T
    return np.asarray(energies / energies.sum(1, keepdims=True))


def _taken_apart(
    coordinates: InternalCoordinates, positions: Array, velocities: Array, masses: Array
) -> tuple[dict[str, Array], Array]:
    """Return e_k · w of each kind over a replica's frames, (t, m), and w without the rest, (t, 3 i)."""
    root = np.repeat(masses, 3) ** 0.5
    pieces = []
    for start in range(0, len(positions), PIECE):
        piece = slice(start, start + PIECE)
        w = velocities[piece].reshape(len(velocities[piece]), -1) * root
        components = motions(coordinates, positions[piece], masses).components(w)
        pieces.append(components | {"internal": w - components["rest"]})
    whole = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    return whole, whole.pop("internal")


def _spectrum(series: Array, interval: float, length: int, settings: SpectrumSettings) -> Array:
    """Return ½ of the one-sided power spectral density of each column (t, m), in eV per 1/cm, (n, m)."""
    window = window_values(settings.window, length)
    if not series.shape[1]:
        return np.zeros((length // 2 + 1, 0))
    _, density = signal.welch(
        series, fs=1 / interval, window=window, nperseg=length, noverlap=length // 2, detrend=False, axis=0
    )
    return 0.5 * DALTON_ANGSTROM2_PER_FS2_IN_EV * SPEED_OF_LIGHT_IN_CM_PER_FS * np.asarray(density)
