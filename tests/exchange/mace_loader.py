"""Run by a Python that has MACE: what its own loader makes of the files on its command line, as JSON."""

from __future__ import annotations

import json
import sys

from mace.data import load_from_xyz
from mace.data.utils import KeySpecification, update_keyspec_from_kwargs
from mace.tools import build_default_arg_parser

options = build_default_arg_parser().parse_args(["--name", "read", *sys.argv[1:]])
keys = update_keyspec_from_kwargs(KeySpecification(), vars(options))
atomic_energies, frames = load_from_xyz(options.train_file, keys, extract_atomic_energies=options.E0s == "IsolatedAtom")
names = ("energy", "forces", "dipole", "total_charge", "total_spin")
read = [
    {name: getattr(frame.properties[name], "tolist", lambda value=frame.properties[name]: value)() for name in names}
    | {"positions": frame.positions.tolist(), "weight": frame.weight, "forces_weight": frame.property_weights["forces"]}
    for frame in frames
]
json.dump({"atomic_energies": atomic_energies, "frames": read}, sys.stdout)
