"""Entry point of ``densnet``; each verb lives in its own module and is imported when it is called."""

from __future__ import annotations

import errno
import signal
import sys
from types import FrameType
from typing import Any, get_args

from cyclopts import App, ArgumentCollection

from densnet import __version__
from densnet.errors import DensnetError, Stopped
from densnet.io.job_record import leave_record


def _refuse_fractions(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse 1.5 where a whole number is expected; Cyclopts would round it without a word."""
    for argument in arguments:
        types = _types_in(argument.hint)
        if int not in types or float in types:
            continue
        for token in argument.tokens:
            if token.value.partition(".")[2].strip("0"):
                raise DensnetError(f"{argument.name}: expected a whole number, got {token.value}")


def _types_in(hint: Any) -> set[Any]:
    return {hint}.union(*(_types_in(part) for part in get_args(hint)))


app = App(
    name="densnet",
    version=__version__,
    help="Learn electron densities, energies and forces; run molecular dynamics; make infrared spectra.",
    suppress_keyboard_interrupt=False,
    config=_refuse_fractions,
)
train = App(name="train", help="Train a model on fitted labels.")
app.command(train)
peer = App(name="peer", help="Train models of others on the same labels and set them beside ours.")
app.command(peer)
benchmark = App(name="benchmark", help="Learn from the benchmark of the field, revised MD17, and be judged by it.")
app.command(benchmark)
export = App(name="export", help="Write outcomes in the formats of other programs.")
app.command(export)

app.command("densnet.cli.sample:sample", name="sample")
app.command("densnet.cli.label:label", name="label")
app.command("densnet.cli.atoms:atoms", name="atoms")
app.command("densnet.cli.pack:pack", name="pack")
app.command("densnet.cli.basis:basis", name="basis")
app.command("densnet.cli.fit:fit", name="fit")
app.command("densnet.cli.import_:import_labels", name="import")
train.command("densnet.cli.train:density", name="density")
train.command("densnet.cli.train:energy", name="energy")
train.command("densnet.cli.train:join", name="join")
app.command("densnet.cli.evaluate:evaluate", name="evaluate")
peer.command("densnet.cli.peer:mace", name="mace")
peer.command("densnet.cli.peer:table", name="table")
benchmark.command("densnet.cli.benchmark:geometries", name="geometries")
benchmark.command("densnet.cli.benchmark:labels", name="labels")
benchmark.command("densnet.cli.benchmark:errors", name="errors")
benchmark.command("densnet.cli.benchmark:table", name="table")
app.command("densnet.cli.md:md", name="md")
export.command("densnet.cli.export:trajectory", name="trajectory")
app.command("densnet.cli.frames:frames", name="frames")
app.command("densnet.cli.lengths:lengths", name="lengths")
app.command("densnet.cli.chains:chains", name="chains")
app.command("densnet.cli.moments:moments", name="moments")
app.command("densnet.cli.spectrum:spectrum", name="spectrum")
app.command("densnet.cli.assign:assign_motions", name="assign")
app.command("densnet.cli.harmonic:harmonic_modes", name="harmonic")
app.command("densnet.cli.displace:displace", name="displace")
app.command("densnet.cli.displace:modes", name="modes")
app.command("densnet.cli.compare:compare", name="compare")
app.command("densnet.cli.metrics:metrics", name="metrics")
app.command("densnet.cli.figures:figures", name="figures")
app.command("densnet.cli.sweep:sweep", name="sweep")
app.command("densnet.cli.report:report", name="report")
app.command("densnet.cli.summary:summary", name="summary")


def main() -> None:
    """Run the command line; a :class:`DensnetError` becomes one line and exit status 1.

    TERM and USR1 end any verb through its ``finally`` clauses, even where the shell that started it ignores them. In a
    job of the workflow the last line of a verb that has done its work says where it ran.
    """
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, _stop)
    try:
        status = app(result_action="return_int_as_exit_code_else_zero")
        if not status:
            leave_record()
        sys.exit(status)
    except DensnetError as error:
        sys.exit(f"densnet: error: {error}")
    except OSError as error:
        # whatever was being written: scratch files, event logs, the folder of a result
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"densnet: error: {error.filename or 'output'}: {error.strerror}; free space and run again")
    except KeyboardInterrupt:
        sys.exit("densnet: interrupted; the same command goes on from here")
    except Stopped as stop:
        print(f"densnet: {stop}", file=sys.stderr)
        sys.exit(128 + stop.signum)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signum)


if __name__ == "__main__":
    main()
