"""Fingerprints of files, to recognise work that was begun on the same input."""

from __future__ import annotations

import hashlib
from pathlib import Path

from densnet.errors import DensnetError


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Raises:
        DensnetError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise DensnetError(f"{path}: cannot be read ({error.strerror}); give the right file") from error
