"""Kernels in C++, compiled for this machine's processor at their first use and kept for all later ones.

The compiler is that of ``DENSNET_CXX``, of ``CXX``, or else ``c++``; without one, or with ``DENSNET_CXX=none``, there
are no kernels, and PyTorch computes. What was compiled lies in ``densnet`` of the user's cache folder
(``XDG_CACHE_HOME``, ``~/.cache``), under a name that tells sources, compiler and processor apart.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path

VARIABLE = "DENSNET_CXX"
SOURCES = Path(__file__).parent / "compiled"
ENTRY, STEP = "evaluate.cpp", "step.cpp"
"""Both networks at once, and the products of a training step."""
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-fvisibility=hidden", "-pthread")
TUNINGS = (("-march=native",), ("-mcpu=native",), ())
"""How compilers are told to use all that the processor has, the first that works."""
LONGEST = 300
"""Seconds that the compiler may take."""


def compiler() -> list[str] | None:
    """Return the command of the C++ compiler; None if there is none or none is wanted."""
    command = shlex.split(os.environ.get(VARIABLE) or os.environ.get("CXX") or "c++")
    return command if command and command != ["none"] and shutil.which(command[0]) else None


@lru_cache(maxsize=4)
def library(real: str, further: tuple[str, ...] = (), entry: str = ENTRY) -> ctypes.CDLL | None:
    """Return the compiled kernels; None where there is no compiler, or, with a warning, where it fails.

    Args:
        real: ``float`` or ``double``.
        further: options of the compiler, beside the usual ones.
        entry: the source file.
    """
    command = compiler()
    if command is None:
        return None
    try:
        options = [*command, *FLAGS, *_tuning(command), *further, f"-DREAL={real}"]
        path = _folder() / f"{entry.removesuffix('.cpp')}-{_fingerprint(options)}.so"
        if not path.exists():
            _compile(options, entry, path)
        return ctypes.CDLL(str(path))
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        warnings.warn(
            f"{command[0]}: could not compile the kernels ({said[0] if said else type(error).__name__}); PyTorch "
            f"computes instead, more slowly. Name another C++ compiler by {VARIABLE}, or none by {VARIABLE}=none",
            stacklevel=2,
        )
        return None


def _tuning(command: list[str]) -> tuple[str, ...]:
    for flags in TUNINGS:
        if _macros([*command, *flags]) is not None:
            return flags
    raise OSError("no C++ compiler: it does not preprocess an empty file")


def _folder() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "densnet"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _macros(command: list[str]) -> bytes | None:
    """Return what a compiler predefines for a target, which names its version and the processor's instructions."""
    run = subprocess.run(
        [*command, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, timeout=LONGEST, check=False
    )
    return run.stdout if run.returncode == 0 else None


def _fingerprint(options: list[str]) -> str:
    digest = hashlib.sha256(repr(options).encode())
    digest.update(_macros(options) or b"")
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _compile(options: list[str], entry: str, path: Path) -> None:
    """Compile the kernels into a file, which is there as a whole or not at all."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "kernels.so"
        command = [*options, "-shared", str(SOURCES / entry), "-o", str(made)]
        subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=True)
        os.replace(made, path)
