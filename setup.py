"""Puts what 'densnet init' writes into the wheel, for it lies beside the package; all else is in pyproject.toml."""

import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))

from densnet.project import INSTALLED, PACKAGE, copy_project  # noqa: E402


class BuildWithProject(build_py):
    """The package, with the workflow inside it; an editable installation finds it in the clone."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "densnet" / INSTALLED.relative_to(PACKAGE)
            shutil.rmtree(target, ignore_errors=True)
            copy_project(ROOT, target)


setup(cmdclass={"build_py": BuildWithProject})
