"""Stands in for the worker: a constant model that speaks the protocol, with the standard library and numpy."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ase.io
import numpy as np


def say(**event: object) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    behaviour = os.environ.get("FAKE_MACE", "")
    start = {"n_parameters": 7, "hidden_irreps": "8x0e"}
    say(event="start", **start, versions={"mace-torch": "0.0", "torch": "0.0", "e3nn": "0.0"})
    if behaviour == "dies":
        sys.exit("the last words")
    if behaviour == "refuses":
        say(event="error", message="mace: the loss became nan at step 3; lower its learning rate")
        sys.exit(2)
    train, test = (ase.io.read(job["frames"][split], ":") for split in ("train", "test"))
    e0 = sum(job["e0s"][str(z)] for z in test[0].numbers)
    bound = np.mean([atoms.info["REF_energy"] - e0 for atoms in train])
    np.savez("predictions.npz", energy=np.full(len(test), e0 + bound), forces=np.zeros((len(test), len(test[0]), 3)))
    Path("mace.model").write_text(f"trained from {job['foundation']}")
    say(
        event="progress",
        epoch=1.0,
        seconds=2.0,
        progress=0.5,
        loss=1.0,
        validation_force_mae=0.1,
        validation_energy_mae_per_atom=0.01,
    )
    say(event="trained", seconds=4.0, steps=2, epochs=2.0)
    for milliseconds, line in zip((5.0, 3.0, 4.0), sys.stdin, strict=False):
        assert line == "time\n"
        say(event="timing", single_ms=milliseconds, batch_ms=milliseconds / 10)


if __name__ == "__main__":
    main()
