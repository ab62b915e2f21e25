"""The verbs of ``densnet``: in which groups they are listed, where each lives, and an example of each."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

NO_BREAK = "\N{NO-BREAK SPACE}"

FAMILIES = {
    "basis": "Compare fitting bases by what they miss of a density.",
    "train": "Train a model on fitted labels.",
    "response": "How the density answers an electric field: labels, and errors of a model that has learned it.",
    "peer": "Train models of others on the same labels and set them beside ours.",
    "benchmark": "Learn from the benchmark of the field, revised MD17, and be judged by it.",
    "validate": "Put a potential to the test: our models, others, any ASE calculator.",
    "engine": "Move atoms by our model with programs of others.",
    "export": "Write outcomes in the formats of other programs.",
}
"""First words that verbs share, with a line for each."""

GROUPS = {
    "Projects": {
        "init:init": "init my_ethanol --smiles CCO",
    },
    "Labels": {
        "sample:sample": "sample --smiles CCO --n-train 100 --output geometries.nc",
        "geometries:geometries": "geometries --xyz frames.xyz --n-test 50 --output geometries.nc",
        "label:label": "label --geometries geometries.nc --shard 0 --shards 2 --output shards/0.nc",
        "atoms:atoms": "atoms --geometries geometries.nc --output atoms.nc",
        "fit:fit": (
            "fit --shards shards/0.nc shards/1.nc --geometries geometries.nc --atoms atoms.nc --output labels.nc"
        ),
        "response:labels": "response labels --labels labels.nc --n-train 200 --output responses.nc",
        "pack:pack": (
            "pack --shards shards/0.nc shards/1.nc --geometries geometries.nc --atoms atoms.nc --output my_labels"
        ),
        "export:labels": "export labels --labels data/ethanol --format extxyz --split train --output ethanol.xyz",
        "import_:import_labels": "import --data labels.npz --n-test 20 --output labels.nc",
        "basis:basis": "basis",
    },
    "Models": {
        "train:density": "train density --labels labels.nc --steps 1500 --log density.csv --output density.pt",
        "train:energy": (
            "train energy --labels labels.nc --density density.pt --log energy.csv --output energy.pt --model model.pt"
        ),
        "train:response": (
            "train response --responses responses.nc --model model.pt --log response.csv --output response.pt"
        ),
        "response:errors": (
            "response errors --responses responses.nc --model response.pt --output response_errors.json"
        ),
        "export:metatomic": "export metatomic --model model.pt --output model.mta",
        "train:join": "train join --models members/1/model.pt members/2/model.pt --output model.pt",
        "evaluate:evaluate": "evaluate --labels labels.nc --model model.pt --output evaluation.nc",
        "collect:collect": (
            "collect --model model.pt --labels labels.nc --geometries geometries.nc --output rounds/1/geometries.nc"
        ),
        "peer:mace": "peer mace --labels labels.nc --model model.pt --size small --minutes 30 --output mace_small.nc",
        "peer:table": (
            "peer table --system ethanol --evaluation evaluation.nc --peer mace_small.nc --training-log "
            "density.csv energy.csv --output peers.csv"
        ),
        "kernel:kernel": "kernel --labels labels.nc --m 5 10 15 20 --output kernel.csv --model kernel.nc",
        "benchmark:geometries": (
            "benchmark geometries --data rmd17 --molecule ethanol --n-train 950 --n-validation 50 --n-test 100 "
            "--output geometries.nc"
        ),
        "benchmark:labels": (
            "benchmark labels --orbitals orbitals.npz --geometries geometries.nc --atoms atoms.nc --output shards/0.nc"
        ),
        "benchmark:errors": "benchmark errors --model model.pt --data rmd17 --molecule ethanol --output rmd17.json",
        "benchmark:table": "benchmark table --system ethanol --errors rmd17.json --output rmd17.csv",
    },
    "Dynamics and spectra": {
        "md:md": "md --model model.pt --geometries geometries.nc --output trajectory.nc",
        "engine:ipi": "engine ipi --model model.pt --geometries geometries.nc --beads 16 --output ipi --run",
        "engine:trajectory": "engine trajectory ipi --output trajectory.nc",
        "spectrum:spectrum": "spectrum --trajectory trajectory.nc --output spectrum.nc",
        "compare:compare": "compare --spectrum spectrum.nc --fundamentals ethanol --output comparison.nc",
        "assign:assign_motions": (
            "assign --trajectory trajectory.nc --geometries geometries.nc --spectrum spectrum.nc --output assignment.nc"
        ),
        "harmonic:harmonic_modes": "harmonic --smiles CCO --model model.pt --output harmonic.nc",
        "displace:displace": "displace --geometry harmonic.nc --functional PBE --basis def2-SVP --output displaced.nc",
        "displace:modes": (
            "modes --displacements displaced.nc --shards shards/0.nc shards/1.nc --output harmonic_psi4.nc"
        ),
        "moments:moments": "moments --trajectory trajectory.nc --model model.pt --output moments.nc",
        "frames:frames": "frames --trajectory trajectory.nc --geometries geometries.nc --n-test 20 --output frames.nc",
        "export:density": "export density --model model.pt --xyz frames.xyz --format mts --output densities.mts",
        "export:trajectory": "export trajectory trajectory.nc --replica 0 --output trajectory.dcd",
    },
    "Tests of any potential": {
        "validate.robustness:robustness": "validate robustness model.pt --smiles CCO --output robustness.csv",
        "validate.energy:energy": "validate energy --calculator gfn2-xtb --smiles CS --output energy.csv",
        "validate.structure:structure": (
            "validate structure model.pt --smiles CCO --reference psi4 --output structure.csv"
        ),
        "validate.ladder:ladder": "validate ladder model.pt --labels labels.nc --output ladder.csv",
        "validate.orientation:orientation": "validate orientation trajectory.nc --output orientation.csv",
        "validate.crystal:crystal": "validate crystal crystal.xyz --calculator gfn1-xtb --output crystal.csv",
        "chart:chart": (
            "chart --system ethanol --labels labels.nc --model model.pt --output chart.csv --figures figures"
        ),
    },
    "Long chains": {
        "lengths:lengths": (
            "lengths --name thiophene --evaluations 2/evaluation.nc 4/evaluation.nc --output lengths.nc --csv "
            "lengths.csv --figures figures"
        ),
        "chains:chains": (
            "chains --name thiophene --geometries 2/geometries.nc 4/geometries.nc --trajectories "
            "2/trajectory.nc 4/trajectory.nc --spectra 2/spectrum.nc 4/spectrum.nc --assignments "
            "2/assignment.nc 4/assignment.nc --output chains.nc --csv chains.csv --figures figures"
        ),
    },
    "The results of a run": {
        "metrics:metrics": (
            "metrics --evaluation evaluation.nc --trajectory trajectory.nc --comparison comparison.nc --output "
            "metrics.json"
        ),
        "figures:figures": (
            "figures --name ethanol --metrics metrics.json --labels labels.nc --evaluation evaluation.nc "
            "--density-log density.csv --energy-log energy.csv --trajectory trajectory.nc --spectrum "
            "spectrum.nc --comparison comparison.nc --output figures"
        ),
        "rounds:rounds": (
            "rounds --name ethanol --models rounds/1/model.pt model.pt --labels labels.nc --found rounds/1/labels.nc "
            "--geometries rounds/1/geometries.nc --output rounds.nc --csv rounds.csv --figures figures"
        ),
        "gallery:gallery_of_systems": (
            "gallery --systems results/gallery/water results/gallery/methanol --output gallery"
        ),
        "sweep:sweep": "sweep --plan sweep.json --output sweep.nc --csv sweep.csv --figures figures",
        "report:report": "report --manifest results/demo/report.json --output report.html",
        "summary:summary": "summary --system ethanol --metrics ethanol/metrics.json --comparison ethanol/comparison.nc",
    },
}
"""Of each group the modules and functions of its verbs, with a command line: files as the pipeline names them.

``basis`` is an application of its own, with examples beside its verbs.
"""


def name_of(example: str) -> list[str]:
    """Return the verb that an example begins with, of one word or of two."""
    words = example.split()
    return words[: 2 if words[0] in FAMILIES else 1]


def one_line(target: str) -> str:
    """Return what a verb's docstring says first, to the first semicolon or colon.

    It is read from the source, for importing it may take seconds.
    """
    module, _, function = target.partition(":")
    source = (Path(__file__).parent / f"{module.replace('.', '/')}.py").read_text("utf-8")
    first = source.split(f"\ndef {function}(", 1)[1].split('"""', 2)[1].partition("\n")[0]
    return re.split("[;:] ", first)[0].rstrip(".") + "."


def epilogue(example: str) -> str:
    """Return the end of a verb's help, in Markdown: an example, broken before it is too wide for a terminal."""
    # an option stays beside its values
    held = re.sub(r" (?!--)", NO_BREAK, f"densnet {example}")
    lines = " \\\n".join(textwrap.wrap(held, 74, subsequent_indent="    ", break_on_hyphens=False))
    return f"Example:\n\n```\n{lines.replace(NO_BREAK, ' ')}\n```"
