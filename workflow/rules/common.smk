# Names that several rules share.

from pathlib import Path

from costs import memory_mb, minutes, work
from stages import FIT, GIVEN, LEVEL
from sweeps import Places, rows_for_peers, table_rows, variants, write_plan

verbs_on_path()

# {system} is a system's name, or that and the folder of a variant of the configuration: ethanol/variants/1a2b3c4d.
PLACES = Places(config)
SWEEP = variants(config)
RUN = f"results/{config['run']}"
SYSTEM = f"{RUN}/{{system}}"
# The members of an ensemble are trained side by side, each in a folder of its own; a lone model needs none.
MEMBERS = range(1, config["ensemble"] + 1)
ENSEMBLE = len(MEMBERS) > 1
MEMBER = f"{SYSTEM}/members/{{member}}" if ENSEMBLE else SYSTEM
MEMBER_NOTE = ", member {wildcards.member}" if ENSEMBLE else ""
MODEL = f"{SYSTEM}/model.pt"
SHARDS = range(config["reference"]["shards"])
CONFIG_FILE = (workflow.overwrite_configfiles or ["config.yaml"])[-1]
PEER = config["md"]["peer"]
MACE = list(dict.fromkeys(config["peers"]["mace"]))
FIGURES = [
    "density_map",
    "density_error",
    "potential",
    "learning_density",
    "learning_energy",
    "parity",
    "energy_conservation",
    "spectrum",
    "timings",
    *(["calibration"] if ENSEMBLE else []),
]


def of(stage, paths):
    """Return an input function: the files of another stage that this job's are made from, given or made."""

    def found(wildcards):
        folder = config["systems"][name_of(wildcards)].get("labels")
        if folder and stage in GIVEN:
            return f"{folder}/{GIVEN[stage]}"
        place = PLACES.of_stage(stage, wildcards.system)
        return expand(paths, **{**dict(wildcards.items()), "system": place})

    return found


def name_of(wildcards):
    """Return the name of the system, whatever the variant."""
    return wildcards.system.split("/")[0]


def needed(rule, resource):
    """Return a resources function: how much a job does, on what size, and the memory and minutes that follow."""

    def value(wildcards, threads, attempt):
        job = work(rule, PLACES.config_at(wildcards.system), name_of(wildcards))
        return {
            "amount": lambda: job.amount,
            "size": lambda: job.size,
            "mem_mb": lambda: attempt * memory_mb(rule, job),
            "runtime": lambda: minutes(rule, job, threads, attempt),
        }[resource]()

    return value


def section(name, only=None, without=()):
    """Return a params function: a section of the configuration, or some of its keys, as command line options."""

    def options(wildcards):
        settings = PLACES.config_at(wildcards.system)[name]
        keys = only or [key for key in settings if key not in without]
        return as_options({key: settings[key] for key in keys if key in settings})

    return options


def model(name):
    """Return a params function: a model's sections as command line options; members of an ensemble differ by seed."""

    def options(wildcards):
        settings = PLACES.config_at(wildcards.system)[name]
        training = settings["training"]
        seed = training["seed"] + int(wildcards.get("member", 1)) - 1
        return as_options(
            {"target": settings.get("target")}
            | settings["architecture"]
            | training
            | {"seed": seed}
        )

    return options


def job(rule):
    """Return what the log of a training is called below its folder."""
    return f"{rule}/{{member}}" if ENSEMBLE else rule


def of_every_member(paths):
    """Return the paths for each member of the ensemble."""
    return expand(paths, member=MEMBERS, allow_missing=True)


def molecule(wildcards):
    """Return what names the molecule, as command line options."""
    system = config["systems"][name_of(wildcards)]
    return as_options(
        {
            key: system[key]
            for key in ("smiles", "xyz", "charge", "multiplicity")
            if key in system
        }
    )


def experiment(wildcards):
    """Return the experimental data of the molecule, as command line options."""
    return as_options(config["systems"][name_of(wildcards)]["experiment"])


def user_files(wildcards, *keys):
    """Return those of a system's entries that are files, so that a changed file is noticed."""
    system = config["systems"][name_of(wildcards)]
    entries = [(system | system["experiment"]).get(key) for key in keys]
    return [entry for entry in entries if entry and Path(entry).is_file()]


def basis_files(wildcards):
    """Return the fitting bases that are files, so that a changed file is noticed."""
    reference = PLACES.config_at(wildcards.system)["reference"]
    entries = [reference[key] for key in ("fit_basis", "natural_primitives")]
    return [entry for entry in entries if Path(entry).is_file()]


def fit_settings(wildcards):
    """Return how densities are fitted, and how many frames of given labels, as command line options."""
    place = PLACES.config_at(wildcards.system)
    settings = {key: place["reference"].get(key) for key in FIT}
    return as_options(settings | place["systems"][name_of(wildcards)].get("frames", {}))


def of_every_system(paths):
    """Return the paths for each system, in the order of config.yaml."""
    return expand(paths, system=config["systems"])


def of_every_labelled_system(paths):
    """Return the paths for each system whose labels are made here, not given."""
    made = [
        name for name, system in config["systems"].items() if "labels" not in system
    ]
    return expand(paths, system=made)
