"""The files that a project of one's own begins with: the workflow, its profiles and environments, an example.

They lie beside this package in a clone, and inside it where it was installed from a wheel, whose ``setup.py`` copies
them there by this module; it imports the standard library alone.
"""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path(__file__).parent
INSTALLED = PACKAGE / "project"
FILES = (
    "config.yaml",
    "workflow",
    "profiles/local",
    "profiles/slurm",
    "envs/densnet.yaml",
    "envs/psi4.yaml",
    "envs/setup.sh",
    "envs/mace.lock",
    "envs/mace.hashes",
)
"""Of a clone, by their places in it."""
OF_A_CLONE = shutil.ignore_patterns("__pycache__", ".*", "reference_page.py")


def project_files() -> Path:
    """Return the folder that holds the files."""
    return INSTALLED if INSTALLED.is_dir() else PACKAGE.parent


def copy_project(source: Path, target: Path) -> None:
    """Copy the files from one folder to another, which is made.

    Raises:
        OSError: a file is missing, or cannot be written.
    """
    for name in FILES:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=OF_A_CLONE)
        else:
            shutil.copy(source / name, target / name)
