"""``densnet peer``: models of others on the same labels, and the table that sets them beside ours."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from cyclopts import Parameter

from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_text
from densnet.models.checkpoint import load_ensemble
from densnet.peers.mace import OurModel, train_mace
from densnet.peers.settings import MaceSettings
from densnet.potentials.model import ModelPotential
from densnet.report.peer_table import our_rows, peer_rows, table_csv
from densnet.report.sources import read_log, seconds_of
from densnet.report.table import plain_table

_MANY = Parameter(consume_multiple=True)


def mace(
    *,
    labels: Path,
    output: Path,
    model: Path | None = None,
    model_output: Path | None = None,
    threads: int = 1,
    settings: Annotated[MaceSettings, Parameter(name="*")] = MaceSettings(),
) -> None:
    """Train MACE on the frames that our models learn from; stopped at any moment, the same command goes on.

    Parameters
    ----------
    labels
        Output of 'densnet fit'.
    output
        Its energies and forces of the test frames, its speed, cost and size.
    model
        Our model, to be timed beside it.
    model_output
        The trained MACE as a model file of MACE's, for its own tools, 'densnet validate', or as a foundation.
    threads
        CPU threads of the training and of the timing.
    """
    torch.set_num_threads(threads)
    ours = None
    if model is not None:
        ensemble = load_ensemble(model)
        ours = OurModel(partial(ModelPotential, ensemble), ensemble.n_parameters)
    train_mace(labels, settings, output=output, model_output=model_output, ours=ours, threads=threads)


def table(
    *,
    system: Annotated[list[str], _MANY],
    evaluation: Annotated[list[Path], _MANY],
    peer: Annotated[list[Path], _MANY],
    training_log: Annotated[list[Path], _MANY],
    output: Path,
) -> None:
    """Set peers beside our models: errors on the same test frames, speed, cost.

    Parameters
    ----------
    system
        Names of the systems.
    evaluation
        Outputs of 'densnet evaluate', one a system, in the same order.
    peer
        Outputs of 'densnet peer mace', as many a system, those of one system after another.
    training_log
        Logs of 'densnet train', as many a system, those of one system after another; their times are added up.
    output
        The table, CSV.
    """
    shares = {}
    for name, paths in (("evaluation", evaluation), ("peer", peer), ("training_log", training_log)):
        shares[name], left_over = divmod(len(paths), len(system))
        if left_over or not shares[name] or (name == "evaluation" and shares[name] != 1):
            raise DensnetError(
                f"peer table: expected as many --{name} for each of {len(system)} systems, found {len(paths)}"
            )
    rows = []
    for number, name in enumerate(system):
        here = {key: slice(number * share, (number + 1) * share) for key, share in shares.items()}
        peers = [
            read_dataset(path, stage="peer", variables=("energy_predicted", "forces_predicted"))
            for path in peer[here["peer"]]
        ]
        evaluated = read_dataset(
            evaluation[number], stage="evaluate", variables=("energy_predicted", "forces_predicted")
        )
        seconds = sum(seconds_of(read_log(path)) for path in training_log[here["training_log"]])
        rows += our_rows(name, evaluated, peers, seconds)
        rows += [row for outcome in peers for row in peer_rows(name, outcome)]
    text = table_csv(rows)
    write_text(output, text)
    shown = [line.split(",") for line in text.splitlines()]
    print(plain_table(shown[0], shown[1:]), file=sys.stderr)
