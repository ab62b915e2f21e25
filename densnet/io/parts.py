"""Finished pieces of long work, kept beside the output until it is whole, so that a restart goes on from there."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically, write_text

PATIENCE_SECONDS = 3.0
"""For a process that is just ending."""


class Parts:
    """The folder ``<output>.parts``: one ``.npz`` a finished piece, and the fingerprint of the work they belong to.

    Pieces of other work (another setting, another input) are thrown away when the folder is opened. It is locked as
    long as it is open, so that two processes never compute the same.

    Raises:
        DensnetError: the folder cannot be made, or another process has it open.
    """

    def __init__(self, output: Path, fingerprint: Mapping[str, Any]) -> None:
        self.folder = output.with_name(output.name + ".parts")
        text = json.dumps(fingerprint, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()
        stamp = self.folder / "fingerprint"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = locked(self.folder / "lock")
            if not stamp.exists() or stamp.read_text() != digest:
                self._empty()
        except BlockingIOError as error:
            raise DensnetError(
                f"{output}: another process is computing it just now; wait for it, or choose another output"
            ) from error
        except OSError as error:
            raise DensnetError(f"{self.folder}: cannot be made ({error}); choose another output") from error
        write_text(stamp, digest)

    def _empty(self) -> None:
        """Delete all but the lock, which must stay the file that others see."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()

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


def locked(path: Path) -> IO[str]:
    """Open and lock a file; it is unlocked when it is closed, at the latest when the process ends.

    The lock is of the process, which may itself begin again where an interrupted attempt has not let go.

    Raises:
        BlockingIOError: another process has it.
    """
    lock = path.open("w")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except (BlockingIOError, PermissionError):
            if time.monotonic() > deadline:
                lock.close()
                raise BlockingIOError(f"{path} is locked") from None
            time.sleep(0.1)


def digest_of(*arrays: Any) -> str:
    """Return a digest of arrays' shapes, types and bytes."""
    digest = hashlib.sha256()
    for array in map(np.ascontiguousarray, arrays):
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
