"""Results that were cut short on disk, found before a run goes on.

Snakemake looks at a file's name and time only: it would hand half a file to the jobs that read it, or never look at it
again. Each format says itself where it ends, so nothing has to be recorded for this, whoever wrote the file and
whatever was killed in between.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"


def set_damaged_aside(run: Path) -> None:
    """Rename each damaged result of a run, with a line for each, so that it is made again.

    Args:
        run: the folder of its results; what is kept for restarts checks itself.
    """
    for path in sorted(_results(run)):
        if not _whole(path):
            aside = path.with_name(path.name + ".damaged")
            path.replace(aside)
            print(f"densnet: {path} is cut short; set aside as {aside.name} and made again", file=sys.stderr)


def _results(run: Path) -> Iterator[Path]:
    for path in run.rglob("*"):
        hidden = any(part.startswith(".") or part.endswith(".parts") for part in path.relative_to(run).parts)
        if path.suffix in WHOLE and path.is_file() and not hidden:
            yield path


def _whole(path: Path) -> bool:
    """Whether a file is whole; of one that cannot be opened nothing is known, and the job that reads it will say so."""
    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError:
        return True
    return WHOLE[path.suffix](path)


def _netcdf(path: Path) -> bool:
    """HDF5 keeps the file's length in its first block: docs.hdfgroup.org, file format specification, II.A.

    Read here, for the library says the same of a file that is cut short and of one that it may not lock.
    """
    with path.open("rb") as opened:
        head = opened.read(64)
    if len(head) < 64 or not head.startswith(HDF5_SIGNATURE):
        return False
    at = {0: 40, 1: 44}.get(head[8], 28)
    return path.stat().st_size >= int.from_bytes(head[at : at + 8], "little")


def _json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def _ends_with(ending: bytes) -> Callable[[Path], bool]:
    def whole(path: Path) -> bool:
        with path.open("rb") as opened:
            # no more than its end: a run has many pictures, and this is before its first job
            opened.seek(max(path.stat().st_size - len(ending), 0))
            return opened.read() == ending

    return whole


WHOLE: dict[str, Callable[[Path], bool]] = {
    ".nc": _netcdf,
    # a zip archive, whose table of contents is at its end
    ".pt": zipfile.is_zipfile,
    ".json": _json,
    ".png": _ends_with(PNG_END),
    ".csv": _ends_with(b"\n"),
    ".html": _ends_with(b"</html>"),
}
"""Whether a file is whole, by its ending."""
