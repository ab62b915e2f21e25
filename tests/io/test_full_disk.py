"""A full disk leaves the old file whole and no rubbish, and is one line."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from densnet.cli import main
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_atomically, write_dataset, write_text
from densnet.io.parts import Parts

SIZE = 100_000


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on a disk of 64 kB; where none may be mounted, one whose files cannot be brought to the disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        yield folder
        # lazily, for HDF5 keeps the file open whose end it could not write
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return

    def full(handle: int) -> None:
        if os.fstat(handle).st_size > SIZE // 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    yield folder


def netcdf(path: Path, size: int) -> None:
    numbers = np.random.default_rng(0).standard_normal(size)
    dataset = xr.Dataset({"energy": variable(("frame",), numbers, "eV", "energy")})
    write_dataset(dataset, path, stage="fit", method_version=1, settings={})


def tensors(path: Path, size: int) -> None:
    write_atomically(path, lambda temporary: torch.save({"weights": torch.zeros(size)}, temporary))


def text(path: Path, size: int) -> None:
    write_text(path, size * "x")


@pytest.mark.parametrize("write", [netcdf, tensors, text])
def test_the_old_file_stays_whole_and_nothing_lies_beside_it(
    full_disk: Path, write: Callable[[Path, int], None]
) -> None:
    path = full_disk / "file"
    write(path, 10)
    before = path.read_bytes()
    with pytest.raises(DensnetError, match=r"file: cannot be written \(.*\); free space") as raised:
        write(path, SIZE)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == before
    assert list(full_disk.iterdir()) == [path]
    if write is netcdf:
        assert read_dataset(path, stage="fit").sizes["frame"] == 10


def test_finished_pieces_stay(full_disk: Path) -> None:
    parts = Parts(full_disk / "labels.nc", {"version": 1})
    parts.write("one", {"energy": np.zeros(10)})
    with pytest.raises(DensnetError, match=r"two\.npz: cannot be written"):
        parts.write("two", {"energy": np.zeros(SIZE)})
    assert parts.read("one") is not None
    assert sorted(path.name for path in parts.folder.iterdir()) == ["fingerprint", "lock", "one.npz"]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "tensorboard"), "tensorboard: No space left on device;"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "output: Disk quota exceeded;"),
    ],
)
def test_wherever_it_is_met_a_verb_says_it_in_one_line(
    raised: OSError, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> None:
        raise raised

    monkeypatch.setattr(main, "app", fails)
    # this process's own signals stay as they are
    monkeypatch.setattr(main.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert str(end.value) == f"densnet: error: {said} free space and run again"
