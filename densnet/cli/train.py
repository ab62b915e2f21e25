"""``densnet train``: the density model, then the energy model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.models.checkpoint import join_models
from densnet.models.settings import DensityModelSettings, EnergyModelSettings, ResponseModelSettings
from densnet.training.density import train_density
from densnet.training.energy import train_energy
from densnet.training.processes import train_in_processes
from densnet.training.response import train_response
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings, ResponseTrainingSettings


def density(
    *,
    labels: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    output: Path,
    log: Path,
    start: Path | None = None,
    threads: int = 1,
    processes: int = 1,
    model: Annotated[DensityModelSettings, Parameter(name="*")] = DensityModelSettings(),
    training: Annotated[DensityTrainingSettings, Parameter(name="*")] = DensityTrainingSettings(),
) -> None:
    """Train the density model; stopped at any moment, the same command goes on.

    Parameters
    ----------
    labels
        Output of 'densnet fit'; several, of molecules of any sizes, for one model of all of them.
    output
        The model file to write.
    log
        CSV of validation errors.
    start
        Begin with the weights of this density model, which learned from some of these labels.
    threads
        CPU threads, of all processes together.
    processes
        Processes that share each batch, on a machine with GPUs one for each of so many of them.
    """
    train_in_processes(
        processes, train_density, labels, model, training, output=output, log=log, start=start, threads=threads
    )


def energy(
    *,
    labels: Annotated[list[Path], Parameter(consume_multiple=True, negative="")],
    density: Path,
    output: Path,
    model_output: Annotated[Path, Parameter(name="--model")],
    log: Path,
    start: Path | None = None,
    threads: int = 1,
    processes: int = 1,
    model: Annotated[EnergyModelSettings, Parameter(name="*")] = EnergyModelSettings(),
    training: Annotated[EnergyTrainingSettings, Parameter(name="*")] = EnergyTrainingSettings(),
) -> None:
    """Train the energy model on predicted densities; stopped at any moment, the same command goes on.

    Parameters
    ----------
    labels
        Output of 'densnet fit'; several, of molecules of any sizes, for one model of all of them.
    density
        Output of 'densnet train density' on the same labels.
    output
        The energy model's file to write.
    model_output
        Both models in one file, for everything that follows.
    log
        CSV of validation errors.
    start
        Begin with the weights of the energy of this model, which learned from some of these labels.
    threads
        CPU threads, of all processes together.
    processes
        Processes that share each batch, on a machine with GPUs one for each of so many of them.
    """
    train_in_processes(
        processes,
        train_energy,
        labels,
        density,
        model,
        training,
        output=output,
        combined=model_output,
        log=log,
        start=start,
        threads=threads,
    )


def response(
    *,
    responses: Path,
    model_input: Annotated[Path, Parameter(name="--model")],
    output: Path,
    log: Path,
    threads: int = 1,
    processes: int = 1,
    model: Annotated[ResponseModelSettings, Parameter(name="*")] = ResponseModelSettings(),
    training: Annotated[ResponseTrainingSettings, Parameter(name="*")] = ResponseTrainingSettings(),
) -> None:
    """Train a model of the density's response to an electric field; stopped at any moment, the same command goes on.

    Parameters
    ----------
    responses
        Output of 'densnet response'.
    model_input
        The model that the response is added to; it stays as it is.
    output
        The model file to write: density, energy and response.
    log
        CSV of validation errors.
    threads
        CPU threads, of all processes together.
    processes
        Processes that share each batch, on a machine with GPUs one for each of so many of them.
    """
    train_in_processes(
        processes, train_response, responses, model_input, model, training, output=output, log=log, threads=threads
    )


def join(*, models: Annotated[list[Path], Parameter(consume_multiple=True)], output: Path) -> None:
    """Join models that differ by their seeds into an ensemble: their mean predicts, their spread estimates its error.

    Parameters
    ----------
    models
        Outputs of 'densnet train energy' (or of 'densnet train density') on the same labels.
    output
        The model file to write; it is used like that of a single model.
    """
    join_models(models, output)
