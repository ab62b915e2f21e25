# Names that several rules share.

from pathlib import Path

from operations.costs import memory_mb, minutes, work
from families import frames_of, harmonic_systems
from given_benchmarks import benchmark_files, given_atoms, given_orbitals
from given_labels import given_harmonic
from stages import FIT, GIVEN, LEVEL, SIZES, one_of
from sweeps import (
    Places,
    rows_for_peers,
    system_of,
    table_rows,
    variants,
    write_plan,
)

verbs_on_path()

# {system} is a system's name, or that and the folder of a variant of the configuration: ethanol/variants/1a2b3c4d.
# A length of a family is a system of its own, polythiophene/3; what the family has once lies in polythiophene.
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
FAMILIES = list(config["families"])
# Potentials that run beside the model, by what their files are called.
POTENTIALS = {
    "gfn2" if name == "gfn2-xtb" else name: name for name in config["md"]["potentials"]
}
HARMONIC = harmonic_systems(config)
HARMONIC_PSI4 = list(dict.fromkeys(config["harmonic"]["psi4"]))
DIFFERENTIATED = [
    name for name in HARMONIC_PSI4 if given_harmonic(config["systems"][name]) is None
]
MACE = list(dict.fromkeys(config["peers"]["mace"]))
# Systems of the benchmark, and those of them whose orbitals lie beside its files.
RMD17 = [name for name, own in config["systems"].items() if "rmd17" in own]
WITH_ORBITALS = [name for name in RMD17 if given_orbitals(config["systems"][name])]
FIGURES = figures_of(
    "system", "assignment", "benchmarks", *(["ensemble"] if ENSEMBLE else [])
)


def given_file(stage, name):
    """Return the file of given labels that a system has instead of a stage's own, None if there is none."""
    own = config["systems"][name]
    if stage == "harmonic_psi4":
        return given_harmonic(own)
    if stage == "atoms" and "rmd17" in own:
        return given_atoms(own)
    if stage == "atoms" and "family" in own:
        own = config["systems"][one_of(config, own["family"])]
    # the given geometries of an unseen length are those that are judged by, not those that dynamics starts from
    if "labels" not in own or (stage == "geometries" and own.get("unseen")):
        return None
    return f"{own['labels']}/{GIVEN[stage]}" if stage in GIVEN else None


def of(stage, paths):
    """Return an input function: the files of another stage that this job's are made from, given or made."""

    def found(wildcards):
        given = given_file(stage, name_of(wildcards))
        if given:
            return given
        place = PLACES.of_stage(stage, wildcards.system)
        return expand(paths, **{**dict(wildcards.items()), "system": place})

    return found


def of_training(stage, paths):
    """Return an input function: the files of a stage for all systems that a model learns from."""

    def found(wildcards):
        return expand(paths, system=PLACES.of_training(stage, wildcards.system))

    return found


def of_shards(paths):
    """Return an input function: the files of all shards of the labels."""

    def found(wildcards):
        folder = system(wildcards).get("labels")
        if folder:
            return f"{folder}/{GIVEN['label_shard']}"
        place = PLACES.of_stage("label_shard", wildcards.system)
        return expand(paths, system=place, shard=range(shards(wildcards)))

    return found


def labelled_frames(wildcards):
    """Return the geometries that are labelled: those sampled, or those that dynamics of an unseen length met."""
    own = system(wildcards)
    if own.get("labels"):
        return f"{own['labels']}/{GIVEN['geometries']}"
    stage = "frames" if unseen(wildcards) else "geometries"
    return f"{RUN}/{PLACES.of_stage(stage, wildcards.system)}/{stage}.nc"


def evaluations_of_lengths(path):
    """Return an input function: the evaluations of all lengths of a family, of the run and of the sweep's variants."""

    def found(wildcards):
        names = lengths_of(wildcards.system)
        own = [PLACES.of_stage("evaluation", name) for name in names]
        swept = [
            PLACES.of_values("evaluation", variant.system, variant.values)
            for variant in SWEEP
            if variant.system in names
        ]
        return expand(path, system=dict.fromkeys([*own, *swept]))

    return found


def lengths_of(family):
    """Return the names of a family's lengths, in the order of config.yaml."""
    return [
        name for name, own in config["systems"].items() if own.get("family") == family
    ]


def of_lengths(stage, path, among=None):
    """Return an input function: a stage's files, given or made, of the lengths of a family that are among some."""

    def found(wildcards):
        names = [
            name
            for name in lengths_of(wildcards.system)
            if among is None or name in among
        ]
        return [given_file(stage, name) or path.format(system=name) for name in names]

    return found


def size_of(wildcards):
    """Return how long a length is among its family's, up to 1 for the longest; 0 for a lone molecule."""
    own = system(wildcards)
    if "family" not in own:
        return 0.0
    family = config["families"][own["family"]]
    return own["units"] / max([*family["sizes"], *family["unseen"]])


def longest_first(lowest):
    """Return a priority function: of a family's jobs the longest first, up to 9 above the lowest priority."""
    return lambda wildcards: lowest + 9 * size_of(wildcards)


def name_of(wildcards):
    """Return the name of the system, whatever the variant; of a family, that of the length its basis is made from."""
    return one_of(config, system_of(wildcards.system))


def system(wildcards):
    """Return what the configuration says of the system."""
    return config["systems"][name_of(wildcards)]


def unseen(wildcards):
    """Return how many frames an unseen length is judged by, 0 for all other systems."""
    return system(wildcards).get("unseen", 0)


def shards(wildcards):
    """Return in how many shards a system is labelled: no more than it has frames."""
    return shards_of(name_of(wildcards))


def shards_of(name):
    if name in WITH_ORBITALS:
        return 1
    frames = frames_of(config, config["systems"][name])
    return min(config["reference"]["shards"], frames)


def needed(rule, resource):
    """Return a resources function: how much a job does, on what size, and the memory and minutes that follow."""

    def value(wildcards, threads, attempt):
        settings = PLACES.config_at(wildcards.system)
        potential = POTENTIALS.get(wildcards.get("potential"))
        job = work(rule, settings, name_of(wildcards), potential)
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


def one_for_each_gpu(wildcards, resources):
    """Return in how many processes a model is trained; no trigger, for the profile says it and the result is the same."""
    return max(int(resources.get("gpu", 1)), 1)


def job(rule):
    """Return what the log of a training is called below its folder."""
    return f"{rule}/{{member}}" if ENSEMBLE else rule


def of_every_member(paths):
    """Return the paths for each member of the ensemble."""
    return expand(paths, member=MEMBERS, allow_missing=True)


def molecule(wildcards, without=()):
    """Return what names the molecule, as command line options."""
    own = system(wildcards)
    keys = ("smiles", "xyz", "oligomer", "units", "charge", "multiplicity")
    return as_options({key: own[key] for key in keys if key in own.keys() - without})


def any_place_of(names):
    """Return the pattern of the places of some systems, the variants' among them."""
    return rf"(?:{'|'.join(names)})(?:/variants/[0-9a-f]{{8}})?"


def benchmark_file(wildcards, part):
    """Return the benchmark's file of a system's molecule: "train" or "test"."""
    return benchmark_files(system(wildcards)["rmd17"])[part]


def benchmark_molecule(wildcards):
    """Return the folder of the benchmark and the name of the molecule, as command line options."""
    name = system(wildcards)["rmd17"]
    return as_options({"data": benchmark_files(name)["folder"], "molecule": name})


def if_among(systems, stage, path):
    """Return an input function: a stage's file, given or made, that only some systems have."""
    return lambda wildcards: (
        [given_file(stage, wildcards.system) or path.format(system=wildcards.system)]
        if wildcards.system in systems
        else []
    )


def experiment(wildcards):
    """Return the experimental data of the molecule, as command line options."""
    return as_options(system(wildcards)["experiment"])


def user_files(wildcards, *keys):
    """Return those of a system's entries that are files, so that a changed file is noticed."""
    own = system(wildcards)
    entries = [(own | own["experiment"]).get(key) for key in keys]
    return [entry for entry in entries if entry and Path(entry).is_file()]


def basis_files(wildcards):
    """Return the fitting bases that are files, so that a changed file is noticed."""
    return family_basis(wildcards) or [
        entry
        for entry in (
            PLACES.config_at(wildcards.system)["reference"][key]
            for key in ("fit_basis", "natural_primitives")
        )
        if Path(entry).is_file()
    ]


def family_basis(wildcards):
    """Return the file of natural functions that another length of the family made, if this one takes it over."""
    family = system(wildcards).get("family")
    settings = PLACES.config_at(wildcards.system)["reference"]
    if (
        not family
        or settings["fit_basis"] != "natural"
        or name_of(wildcards) == one_of(config, family)
    ):
        return []
    place = PLACES.of_stage("fit_basis", wildcards.system)
    return [f"{RUN}/{place}/fit_basis.json"]


def differences(wildcards):
    """Return the labels' level converged further, for small differences of forces, as command line options."""
    level = {key: config["reference"][key] for key in LEVEL}
    return as_options(
        level | {"energy_convergence": 1e-10, "density_convergence": 1e-8}
    )


def fit_settings(wildcards):
    """Return how densities are fitted, and how many frames of given labels, as command line options."""
    settings = PLACES.config_at(wildcards.system)["reference"]
    own = {"fit_basis": path for path in family_basis(wildcards)}
    frames = PLACES.config_at(wildcards.system)["systems"][name_of(wildcards)]
    return as_options(
        {key: settings.get(key) for key in FIT} | own | frames.get("frames", {})
    )


def of_every_potential(paths):
    """Return the paths for each potential that runs beside the model."""
    return expand(paths, potential=POTENTIALS, allow_missing=True)


def of_every_system(paths):
    """Return the paths for each system, in the order of config.yaml."""
    return expand(paths, system=config["systems"])


def of_every_home(stage, paths):
    """Return the paths for each place that has a stage's files: a family has some of them once."""
    return expand(paths, system=homes(stage, config["systems"]))


def homes(stage, names):
    return list(dict.fromkeys(PLACES.of_stage(stage, name) for name in names))


def labelled_here():
    """Return the names of the systems whose labels are made here, not given."""
    return [name for name, own in config["systems"].items() if "labels" not in own]


def labelled_unseen():
    """Return the names of the lengths that are not trained on and whose labels are made here."""
    return [name for name in labelled_here() if config["systems"][name].get("unseen")]


def of_every_home_of_atoms(paths):
    """Return the paths for each place that has free atoms: a family has them once, of given labels they are given."""
    lacking = [name for name in labelled_here() if not given_file("atoms", name)]
    return expand(paths, system=homes("atoms", lacking))


def of_every_sampled_system(paths):
    """Return the paths for each system whose geometries are sampled: those labelled here, and unseen lengths."""
    sampled = [
        name
        for name, own in config["systems"].items()
        if "labels" not in own or own.get("unseen")
    ]
    return expand(paths, system=sampled)


def of_every_shard(paths):
    """Return the paths of every shard of the labels that are made here."""
    return [
        path
        for name in labelled_here()
        for path in expand(paths, system=name, shard=range(shards_of(name)))
    ]
