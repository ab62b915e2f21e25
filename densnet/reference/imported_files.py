"""The files of ``densnet import``: one npz layout, or an extended xyz with an npz of densities beside it."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.reference.labelled_xyz import read_labelled_xyz

Array = NDArray[np.float64]

KEYS = (
    *("numbers", "positions", "energies", "forces", "dipoles", "charge", "temperature", "split"),
    *("functional", "orbital_basis", "dispersion", "program"),
    *("orbitals", "ao_order", "ao_shells"),
    *("coefficients", "fit_basis", "order", "shells", "normalisation", "overlap"),
)
ATOM_KEYS = ("atom_density_matrix_", "atom_energy_")
"""Followed by the element's symbol."""
LABELLED = "labelled"
"""Beside coefficients of a format that says of each which function it is of; no key of an npz file."""
SAME_POSITION = 1e-6
"""Å; positions that are given twice."""


@dataclass(frozen=True)
class Reader:
    """The values of a file by their keys; each way of asking says what is expected of a value."""

    path: Path
    values: Mapping[str, Any]
    xyz: Path | None = None
    """Where the frames come from, if not from ``path``."""
    from_xyz: frozenset[str] = frozenset()
    """Keys whose values it gave."""

    def source(self, name: str) -> Path:
        """Return the file that gave a value."""
        return self.xyz if self.xyz is not None and name in self.from_xyz else self.path

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def raw(self, name: str) -> NDArray[Any]:
        """Return a value as it is."""
        if name not in self.values:
            raise DensnetError(f"{self.path}: the key {name!r} is missing; docs/import.md lists the keys")
        return np.asarray(self.values[name])

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        if name not in self.values and default is not None:
            return default
        value = self.raw(name)
        if value.ndim or value.dtype.kind != "U" or not str(value).strip():
            raise DensnetError(f"{self.source(name)}: {name} must be a text, got {value!r}")
        return str(value)

    def whole(self, name: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Return an array of whole numbers; the shape as in :meth:`numeric`."""
        value = self.numeric(name, shape)
        if not np.array_equal(value, np.round(value)):
            raise DensnetError(f"{self.source(name)}: {name} must be whole numbers, got {value.tolist()}")
        return value.astype(np.int64)

    def numeric(self, name: str, shape: tuple[int, ...]) -> Array:
        """Return finite numbers; -1 in the shape is any length, the first frame that is not finite is named."""
        value = self.raw(name)
        fits = value.ndim == len(shape) and all(w in (-1, n) for w, n in zip(shape, value.shape, strict=True))
        if not fits or value.dtype.kind not in "iuf":
            expected = tuple("any" if n == -1 else n for n in shape)
            raise DensnetError(
                f"{self.source(name)}: {name} must be numbers of shape {expected}, got {value.dtype} {value.shape}"
            )
        bad = np.argwhere(~np.isfinite(value))
        if len(bad):
            per_frame = name in ("positions", "energies", "forces", "dipoles", "orbitals", "coefficients")
            where = f" in frame {bad[0, 0]}" if per_frame else ""
            raise DensnetError(
                f"{self.source(name)}: {name} is not finite{where}; compute it again or leave the frame out"
            )
        return value.astype(np.float64)


def read_files(npz: Path, xyz: Path | None) -> Reader:
    """Return the values of both files, none of them given twice.

    Raises:
        DensnetError: an unreadable file, an unknown key, or files that contradict each other.
    """
    reader = Reader(npz, load_npz(npz))
    if xyz is None:
        return reader
    frames, _ = read_labelled_xyz(xyz)
    return Reader(npz, _merged(reader, frames, xyz), xyz, frozenset(frames) - frozenset(reader.values))


def load_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of an npz file by their names.

    Raises:
        DensnetError: an unreadable file, or an unknown key.
    """
    try:
        stored = np.load(path, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise DensnetError(f"{path}: expected an npz archive, got a single array; use numpy.savez")
        with stored:
            values = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DensnetError(
            f"{path}: not a readable npz file ({error}); write plain arrays with numpy.savez, no objects"
        ) from error
    for name in values:
        if name in KEYS or any(name.removeprefix(p) in atomic_numbers for p in ATOM_KEYS if name.startswith(p)):
            continue
        near = difflib.get_close_matches(name, KEYS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "docs/import.md lists the keys"
        raise DensnetError(f"{path}: unknown key {name!r}; {hint}")
    return values


def _merged(densities: Reader, frames: dict[str, Any], xyz: Path) -> dict[str, Any]:
    twice = sorted(set(frames) & set(densities.values) - {"numbers", "positions"})
    if twice:
        raise DensnetError(f"{xyz}: {', '.join(twice)} also in {densities.path}; keep one of them")
    if "numbers" in densities and not np.array_equal(densities.raw("numbers"), frames["numbers"]):
        raise DensnetError(f"{xyz}: its atoms are not those of {densities.path}; give files of the same frames")
    if "positions" in densities:
        exact = densities.numeric("positions", (-1, len(frames["numbers"]), 3))
        if len(exact) != len(frames["positions"]):
            raise DensnetError(f"{xyz}: has {len(frames['positions'])} frames, {densities.path} {len(exact)}")
        moved = np.abs(exact - frames["positions"]).max(axis=(1, 2))
        if moved.max() > SAME_POSITION:
            frame = int((moved > SAME_POSITION).argmax())
            raise DensnetError(
                f"{xyz}: frame {frame} lies {moved[frame]:.1e} Å from that of {densities.path}; give both of the same "
                "geometries"
            )
    return frames | dict(densities.values)
