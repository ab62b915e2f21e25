"""Write envs/requirements.lock and envs/densnet.yaml from what the running environment holds.

With the word ``mace`` as argument, run by the Python of ``.venv-mace``, write envs/mace.lock.

What is there for an optional extra of pyproject.toml alone is left out, so that nobody installs it unasked:
``.venv/bin/pip install -c envs/requirements.lock '.[EXTRA]'`` lays it on what is pinned here.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).parent
EXTRAS = {"workflow", "test"}
"""Of densnet, that every environment has; its others are optional."""

LOCK_HEADER = """\
# Every package that densnet, its workflow and its tests need, pinned.
# Made by 'make lock' (envs/lock.py); installed by envs/setup.sh.
"""

MACE_HEADER = """\
# MACE with all that it needs, pinned; of an environment of its own, for it wants another e3nn than densnet.
# Made by '.venv-mace/bin/python envs/lock.py mace'; installed by 'envs/setup.sh mace'.
"""

CONDA_HEADER = """\
# Made by 'make lock' (envs/lock.py): the pins of requirements.lock as a conda environment, which
# 'snakemake --sdm conda' uses for every rule that does not need Psi4. densnet.post-deploy.sh adds the package.
name: densnet
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
      - --extra-index-url https://download.pytorch.org/whl/cpu
"""


def pins() -> list[str]:
    """Return ``name==version`` of every installed package, without pip, wheel, densnet and local version tags."""
    command = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split("+")[0] for line in frozen if "==" in line and line.split("==")[0] not in {"pip", "wheel"}]


def reached(package: str, extras: set[str]) -> set[str]:
    """Return the names of what a package needs with some of its extras, directly or not, as far as it is installed."""
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [Requirement(f"{package}[{','.join(extras)}]")]
    while left:
        wanted = left.pop()
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            needed = [Requirement(line) for line in requires(wanted.name) or ()]
        except PackageNotFoundError:
            continue
        given = [{"extra": extra} for extra in ("", *wanted.extras)]
        left += [one for one in needed if one.marker is None or any(map(one.marker.evaluate, given))]
    return {name for name, _ in seen}


def without_optional(packages: list[str]) -> list[str]:
    """Return the pins without those of packages that are there for an optional extra of densnet alone."""
    optional = set(metadata("densnet").get_all("Provides-Extra") or ()) - EXTRAS
    alone = reached("densnet", optional) - reached("densnet", EXTRAS)
    return [pin for pin in packages if canonicalize_name(pin.split("==")[0]) not in alone]


def main() -> None:
    """Write the lock of the environment that runs this."""
    packages = pins()
    if sys.argv[1:] == ["mace"]:
        (ENVS / "mace.lock").write_text(MACE_HEADER + "".join(f"{pin}\n" for pin in packages))
        return
    packages = without_optional(packages)
    (ENVS / "requirements.lock").write_text(LOCK_HEADER + "".join(f"{pin}\n" for pin in packages))
    (ENVS / "densnet.yaml").write_text(CONDA_HEADER + "".join(f"      - {pin}\n" for pin in packages))


if __name__ == "__main__":
    main()
