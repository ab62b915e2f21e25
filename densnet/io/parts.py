"""Finished pieces of long work, kept beside the output until it is whole, so that a restart goes on from there."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically, write_text


class Parts:
    """The folder ``<output>.parts``: one ``.npz`` a finished piece, and the fingerprint of the work they belong to.

    Pieces of other work (another setting, another input) are thrown away when the folder is opened.

    Raises:
        DensnetError: the folder cannot be made.
    """

    def __init__(self, output: Path, fingerprint: Mapping[str, Any]) -> None:
        self.folder = output.with_name(output.name + ".parts")
        text = json.dumps(fingerprint, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        stamp = self.folder / "fingerprint"
        try:
            if not stamp.exists() or stamp.read_text() != digest:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DensnetError(f"{self.folder}: cannot be made ({error}); choose another output") from error
        write_text(stamp, digest)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the arrays of a piece; None if it is not there or was cut short (then it is deleted)."""
        path = self.folder / f"{name}.npz"
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile):
            path.unlink()
            return None

    def write(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Write a piece atomically."""

        def save(temporary: Path) -> None:
            with temporary.open("wb") as handle:
                np.savez(handle, **arrays)

        write_atomically(self.folder / f"{name}.npz", save)

    def remove(self) -> None:
        """Delete the folder: the output is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)


def digest_of(*arrays: Any) -> str:
    """Return a digest of arrays' shapes, types and bytes."""
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
