"""Text that others wrote: any usual encoding and line end, never more than a text file can have."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError

LARGEST_BYTES = 200 * 1024**2
"""No spectrum, table or geometry that a person gives is longer."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16."""


def read_text(path: Path, kind: str) -> str:
    """Return what a text file says, with line ends as ``\\n``.

    UTF-8, UTF-16 and UTF-32 are known by their byte order marks, UTF-16 without one by its zero bytes; what is no UTF-8
    is read as Windows-1252, the superset of Latin-1 that programs mean by it.

    Args:
        kind: what is expected of the file, for messages ("a JCAMP-DX file").

    Raises:
        DensnetError: no such file, one that cannot be read, is far too large, or is not text.
    """
    path = Path(path)
    try:
        if path.is_file() and path.stat().st_size > LARGEST_BYTES:
            raise DensnetError(
                f"{path}: expected {kind}, found {path.stat().st_size / 1024**2:.0f} MiB; give one alone"
            )
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DensnetError(f"{path}: expected {kind}, cannot be read ({reason}); give the path of one") from error
    text = _decoded(raw)
    if "\0" in text:
        raise DensnetError(f"{path}: expected {kind}, found binary data; export it as text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(raw: bytes) -> str:
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace")
    head = raw[:1000]
    for encoding, zeros, letters in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(zeros) > 1 and zeros.count(0) > 0.9 * len(zeros) and letters.count(0) == 0:
            return raw.decode(encoding, errors="replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def read_json(path: Path, kind: str) -> Any:
    """Return what a JSON file holds.

    Args:
        kind: what is expected of the file, for messages.

    Raises:
        DensnetError: no such file, or not JSON.
    """
    try:
        return json.loads(read_text(path, kind))
    except ValueError as error:
        raise DensnetError(f"{path}: expected {kind}, not JSON ({error}); delete it and run again") from error
