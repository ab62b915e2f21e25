"""``densnet init``: a project of one's own."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from densnet.errors import DensnetError
from densnet.io.netcdf import write_text
from densnet.molecule import formula, from_smiles
from densnet.project import copy_project, project_files

CONFIG = """\
# What is to be computed. A key that is left out has its default; docs/configuration.md of densnet lists all of them.

# Results go to results/<run>/.
run: {run}

# Molecules, by names of your own.
systems:
  {name}:
    smiles: {smiles}
"""
NEEDED = ("snakemake", "psutil", "yaml", "jsonschema")
"""By the workflow, of the optional extra of its name."""


def init(folder: Path, /, *, smiles: str | None = None) -> None:
    """Begin a project in a folder of its own: config.yaml, the workflow and its profiles.

    Args:
        folder: to be made, or empty.
        smiles: the molecule; by default the config.yaml of the demo, ethanol.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DensnetError(f"{folder}: expected a new or an empty folder, found files in it; name another one")
    config = None
    if smiles is not None:
        name = formula(from_smiles(smiles).numbers)
        run = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-_")[:64] or "first"
        config = CONFIG.format(run=run, name=re.sub(r"[^A-Za-z0-9]", "", name), smiles=json.dumps(smiles.strip()))
    try:
        copy_project(project_files(), folder)
    except OSError as error:
        raise DensnetError(f"{folder}: cannot be written ({error}); name another folder") from error
    if config is not None:
        write_text(folder / "config.yaml", config)
    print(_what_next(folder))


def _what_next(folder: Path) -> str:
    python = shutil.which("python")
    same = python is not None and Path(python).samefile(sys.executable)
    launch = f"{'python' if same else shlex.quote(sys.executable)} workflow/launch.py --workflow-profile profiles/local"
    lines = [
        f"{folder}: edit config.yaml, then",
        f"    cd {shlex.quote(str(folder))}",
        f"    {launch} --plan    # what it would cost; computes nothing",
        f"    {launch}",
    ]
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        lines.append(
            f"The workflow needs packages that are not installed ({', '.join(missing)}): in the clone of densnet type "
            "pip install '.[workflow]'"
        )
    return "\n".join(lines)
