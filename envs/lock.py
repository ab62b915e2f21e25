"""Write envs/requirements.lock and envs/densnet.yaml from what the running environment holds.

With the word ``mace`` as argument, run by the Python of ``.venv-mace``, write envs/mace.lock.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ENVS = Path(__file__).parent

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


def main() -> None:
    """Write the lock of the environment that runs this."""
    packages = pins()
    if sys.argv[1:] == ["mace"]:
        (ENVS / "mace.lock").write_text(MACE_HEADER + "".join(f"{pin}\n" for pin in packages))
        return
    (ENVS / "requirements.lock").write_text(LOCK_HEADER + "".join(f"{pin}\n" for pin in packages))
    (ENVS / "densnet.yaml").write_text(CONDA_HEADER + "".join(f"      - {pin}\n" for pin in packages))


if __name__ == "__main__":
    main()
