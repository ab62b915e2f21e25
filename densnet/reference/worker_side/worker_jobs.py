"""What the workers of all programs hand over and refuse, in the same way (numpy only; Python >= 3.8)."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


class JobError(Exception):
    """The job cannot be done: a clear line for the user."""


def save(path: str, arrays: dict[str, Any]) -> None:
    """Write an ``.npz`` aside and rename it."""
    aside = path + ".writing"
    try:
        with open(aside, "wb") as handle:
            np.savez(handle, **arrays)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(aside, path)
    except OSError as error:
        if os.path.exists(aside):
            os.remove(aside)
        raise JobError(f"{path}: cannot be written ({error.strerror}); free space and run again") from error


def one_line(error: BaseException) -> str:
    """Psi4 wraps its messages in blank lines and stack traces: keep the first sentence that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Fatal Error", "Error occurred", "The most recent", "psi::")
    telling = [line for line in lines if not line.startswith(noise)]
    text = (telling or lines or [type(error).__name__])[0]
    return text[:300]
