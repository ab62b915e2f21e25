# Names that several rules share.

from pathlib import Path

verbs_on_path()

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
LEVEL = (
    "functional",
    "basis",
    "dispersion",
    "energy_convergence",
    "density_convergence",
    "max_iterations",
)
FIT = (
    "fit_basis",
    "natural_primitives",
    "natural_share",
    "natural_frames",
    "ridge",
    "eigenvalue_cutoff",
    "max_failed_share",
    "grid_level",
    "self_energy",
)
PEER = config["md"]["peer"]
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


def section(name, only=None, without=()):
    """Return a section of the configuration, or some of its keys, as command line options."""
    keys = only or [key for key in config[name] if key not in without]
    return as_options({key: config[name][key] for key in keys if key in config[name]})


def model(name, member=1):
    """Return a model's sections as command line options; the members of an ensemble differ by their seeds."""
    training = config[name]["training"]
    return as_options(
        {"target": config[name].get("target")}
        | config[name]["architecture"]
        | training
        | {"seed": training["seed"] + int(member) - 1}
    )


def job(rule):
    """Return what the log of a training is called below its folder."""
    return f"{rule}/{{member}}" if ENSEMBLE else rule


def of_every_member(paths):
    """Return the paths for each member of the ensemble."""
    return expand(paths, member=MEMBERS, allow_missing=True)


def molecule(wildcards):
    """Return what names the molecule, as command line options."""
    system = config["systems"][wildcards.system]
    return as_options(
        {
            key: system[key]
            for key in ("smiles", "xyz", "charge", "multiplicity")
            if key in system
        }
    )


def experiment(wildcards):
    """Return the experimental data of the molecule, as command line options."""
    return as_options(config["systems"][wildcards.system]["experiment"])


def user_files(wildcards, *keys):
    """Return those of a system's entries that are files, so that a changed file is noticed."""
    system = config["systems"][wildcards.system]
    entries = [(system | system["experiment"]).get(key) for key in keys]
    return [entry for entry in entries if entry and Path(entry).is_file()]


def basis_files():
    """Return the fitting bases that are files, so that a changed file is noticed."""
    entries = [config["reference"][key] for key in ("fit_basis", "natural_primitives")]
    return [entry for entry in entries if Path(entry).is_file()]


def of_every_system(paths):
    """Return the paths for each system, in the order of config.yaml."""
    return expand(paths, system=config["systems"])
