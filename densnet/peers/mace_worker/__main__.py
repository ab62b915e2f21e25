"""Trains MACE, under the interpreter that MACE is installed in: this folder imports mace (with its torch, numpy and
ase) and the standard library only.

``python mace_worker job.json`` reads one job, works in the current folder and writes ``predictions.npz``, renamed into
place when it is whole. Standard output carries one JSON object a line:

* ``{"event": "start", ...}``: what is trained: versions, number of parameters, where it goes on from;
* ``{"event": "progress", ...}``: errors on the validation frames, from time to time;
* ``{"event": "trained", ...}``: the predictions are written. From then on each line ``time`` on standard input is
  answered by one ``{"event": "timing", ...}``, until the input ends;
* ``{"event": "error", "message": ...}``: the job cannot be done; exit status 2.

A job with ``evaluate`` trains nothing: it loads that model, says ``ready``, and answers each line on standard input,
the positions of some geometries as JSON, by ``{"event": "evaluated", "energy": ..., "forces": ...}``.
"""

from __future__ import annotations

import sys

from densnet_worker import begin


def main() -> int:
    job, say, commands = begin()
    try:
        from mace_files import UnreadableError
        from training import DivergedError, LackingError, Timer, train
    except ImportError as error:
        say({"event": "error", "message": f"mace: {sys.executable} cannot import mace ({error}); see docs/peers.md"})
        return 2
    try:
        if "evaluate" in job:
            from evaluation import answer

            return answer(job, say, commands)
        model, frames = train(job, say)
    except (DivergedError, LackingError, UnreadableError) as error:
        say({"event": "error", "message": str(error)})
        return 2
    timer = Timer(model, frames, job["batch"])
    while commands.get() == "time":
        say({"event": "timing", **timer.measure(job["repetitions"])})
    return 0


if __name__ == "__main__":
    sys.exit(main())
