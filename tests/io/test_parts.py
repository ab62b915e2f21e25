"""Finished pieces of long work: locked while a process adds to them, thrown away when other work comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from densnet.errors import DensnetError
from densnet.io.parts import Parts

HOLD = "import sys; from pathlib import Path; from densnet.io.parts import Parts\n"
HOLD += "parts = Parts(Path(sys.argv[1]), {'version': 1}); print('open', flush=True); sys.stdin.read()"


def test_two_processes_never_compute_the_same(tmp_path: Path) -> None:
    output = tmp_path / "trajectory.nc"
    words = [sys.executable, "-c", HOLD, str(output)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "open\n"
        with pytest.raises(DensnetError, match=r"trajectory\.nc: another process is computing it just now; wait"):
            Parts(output, {"version": 2})
        first.communicate()
    Parts(output, {"version": 2})


def test_pieces_of_other_work_are_thrown_away(tmp_path: Path) -> None:
    output = tmp_path / "labels.nc"
    Parts(output, {"version": 1}).write("frame", {"energy": np.array([-1.0])})
    again = Parts(output, {"version": 1}).read("frame")
    assert again is not None and again["energy"] == -1.0
    assert Parts(output, {"version": 2}).read("frame") is None
