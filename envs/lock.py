"""Write envs/requirements.lock and envs/densnet.yaml from what the running environment holds.

Beside a lock stands the same with the SHA-256 of every file on PyPI that may be installed, NAME.hashes, which pip holds
downloads against. With the word ``mace`` as argument, run by the Python of ``.venv-mace``, write envs/mace.lock.

What is there for an optional extra of pyproject.toml alone is left out, so that nobody installs it unasked:
``.venv/bin/pip install -c envs/requirements.lock '.[EXTRA]'`` lays it on what is pinned here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

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

HASHES_HEADER = """\
# The pins of {lock} with the SHA-256 of their files on PyPI, for Python 3.11 to 3.14. Made with it.
"""

INDEX = "https://pypi.org/simple"
INTERPRETERS = {"py3", *(f"cp{number}" for number in range(311, 315))}

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


def hashes(pin: str) -> list[str]:
    """Return the SHA-256 of each file of ``name==version`` on PyPI that Python 3.11 to 3.14 may install."""
    name, version = pin.split("==")
    address = f"{INDEX}/{canonicalize_name(name)}/"
    request = urllib.request.Request(address, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        files = json.load(answer)["files"]
    found = [entry["hashes"]["sha256"] for entry in files if _is_of(entry["filename"], version)]
    if not found:
        raise SystemExit(f"lock: {pin}: no file of this version at {address}")
    return found


def _is_of(filename: str, version: str) -> bool:
    """Whether a file is of a version, and source or a wheel for one of our interpreters."""
    if not filename.endswith(".whl"):
        return filename.endswith(f"-{version}.tar.gz")
    try:
        _, of_wheel, _, tags = parse_wheel_filename(filename)
    except ValueError:
        return False
    return str(of_wheel) == version and any(tag.interpreter in INTERPRETERS or tag.abi == "abi3" for tag in tags)


def write_lock(path: Path, header: str, packages: list[str]) -> None:
    """Write the pins, and beside them the pins with their hashes."""
    path.write_text(header + "".join(f"{pin}\n" for pin in packages))
    lines = [" \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in hashes(pin))]) for pin in packages]
    text = HASHES_HEADER.format(lock=path.name) + "\n".join(lines) + "\n"
    path.with_suffix(".hashes").write_text(text)


def main() -> None:
    """Write the lock of the environment that runs this."""
    packages = pins()
    if sys.argv[1:] == ["mace"]:
        write_lock(ENVS / "mace.lock", MACE_HEADER, packages)
        return
    packages = without_optional(packages)
    write_lock(ENVS / "requirements.lock", LOCK_HEADER, packages)
    (ENVS / "densnet.yaml").write_text(CONDA_HEADER + "".join(f"      - {pin}\n" for pin in packages))


if __name__ == "__main__":
    main()
