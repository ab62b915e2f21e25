"""NetCDF files with provenance: written aside and renamed, checked when they are read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from densnet import __version__
from densnet.errors import DensnetError
from densnet.quantities import POLARIZABILITY, PREDICTED

LAST_DIMS = {"positions": ("atom", "x"), "velocities": ("atom", "x"), "numbers": ("atom",)}
LAST_DIMS |= {name: quantity.dims for name, quantity in PREDICTED.items() if quantity.dims}
LAST_DIMS |= {POLARIZABILITY.name: POLARIZABILITY.dims}
"""Of variables that mean the same in every file; others may stand before."""


def variable(
    dims: tuple[str, ...], values: Any, units: str, long_name: str
) -> tuple[tuple[str, ...], Any, dict[str, str]]:
    """Return one netCDF variable in xarray's (dims, values, attributes) form.

    Every variable of a densnet file has ``units`` ("1" if it has none) and a ``long_name``.
    """
    return dims, values, {"units": units, "long_name": long_name}


def write_atomically(path: Path, write: Any) -> None:
    """Call ``write(temporary_path)`` and rename the result to ``path``.

    A reader sees the old file or the whole new one; a full disk or a kill leaves ``path`` as it was.

    Raises:
        DensnetError: the file cannot be written (disk full, no permission).
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
    except OSError as error:
        raise DensnetError(f"{path}: cannot be written ({error}); free space or choose another place") from error
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise DensnetError(f"{path}: cannot be written ({error}); free space or choose another place") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_dataset(
    dataset: xr.Dataset, path: Path, *, stage: str, method_version: int, settings: Mapping[str, Any]
) -> None:
    """Write ``dataset`` atomically, with the attributes that say how it was made.

    Args:
        stage: the verb that makes the file, e.g. ``"fit"``.
        method_version: the stage's ``METHOD_VERSION``.
        settings: everything that decided the result (level of theory, seeds ...), kept as JSON.

    Raises:
        DensnetError: a variable lacks units or long_name, or the file cannot be written.
    """
    for name, array in dataset.variables.items():
        missing = {"units", "long_name"} - set(array.attrs)
        if missing and name not in dataset.dims:
            raise DensnetError(f"variable {name!r} of {path} lacks the attribute(s) {sorted(missing)}")
    stamped = dataset.assign_attrs(
        densnet_stage=stage,
        densnet_version=__version__,
        method_version=method_version,
        settings=json.dumps(dict(settings), sort_keys=True, default=str),
    )
    encoding = {
        name: {"zlib": True, "complevel": 4}
        for name, array in stamped.variables.items()
        if array.dtype.kind in "fi" and array.size > 1000
    }
    write_atomically(Path(path), lambda temporary: stamped.to_netcdf(temporary, engine="netcdf4", encoding=encoding))


def read_dataset(path: Path, *, stage: str | Iterable[str], variables: Iterable[str] = ()) -> xr.Dataset:
    """Read a file written by :func:`write_dataset` into memory and check that it is what it should be.

    Raises:
        DensnetError: no such file, truncated or foreign file, made by another stage, variables missing or of other
            dimensions.
    """
    path = Path(path)
    stages = [stage] if isinstance(stage, str) else list(stage)
    remedy = "delete it and run again"
    if not path.exists():
        raise DensnetError(f"{path}: no such file; expected the output of 'densnet {stages[0]}'")
    try:
        with xr.open_dataset(path, engine="netcdf4") as opened:
            # Without its encoding, which cuts strings that are concatenated to the old length when they are written.
            dataset = opened.load().drop_encoding()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DensnetError(f"{path}: not a readable netCDF file (truncated?: {error}); {remedy}") from error
    made_by = dataset.attrs.get("densnet_stage")
    if made_by not in stages:
        raise DensnetError(f"{path}: expected the output of 'densnet {stages[0]}', found {made_by!r}; {remedy}")
    missing = [name for name in variables if name not in dataset.variables]
    if missing:
        raise DensnetError(f"{path}: the variable(s) {missing} are missing; {remedy}")
    for name, dims in LAST_DIMS.items():
        if name in dataset.variables and dataset[name].dims[-len(dims) :] != dims:
            expected, actual = (", ".join(map(str, listed)) for listed in (dims, dataset[name].dims))
            raise DensnetError(f"{path}: {name}: expected dimensions ending in {expected}, found {actual}; {remedy}")
    return dataset


def settings_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the settings that :func:`write_dataset` stored."""
    return dict(json.loads(dataset.attrs["settings"]))
