# What several rules share.

import shlex
from pathlib import Path

from densnet.reference.level import PROGRAMS, PSI4

from families import frames_of, harmonic_systems
from given_benchmarks import benchmark_files, given_atoms, given_orbitals
from given_labels import given_harmonic
from operations.costs import memory_mb, minutes, work
from stages import GIVEN, STAGES, one_of
from sections import FINE_TUNED, mace_trainings
from sweeps import MODELS, Places, lookup, rows_for_peers, system_of, table_rows, variants, write_plan
from validators import COMPARED, compares

verbs_on_path()


def by_file_name(potentials):
    """Return the names of potentials by what their files are called."""
    return {"gfn2" if name == "gfn2-xtb" else name: name for name in potentials}


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
# Rounds of active learning, and the members of their ensembles.
ROUNDS = range(1, config["active"]["rounds"] + 1)
ROUND = f"{SYSTEM}/rounds/{{round}}"
TRAINED = "ensemble" if ENSEMBLE else "energy_model"
# The model of dynamics, which is asked for polarizabilities if they are learned.
RESPONDING = config["reference"]["response"]
MOVING = "response_model" if RESPONDING else TRAINED
SYSTEMS = config["systems"]
FAMILIES = list(config["families"])
# Potentials that run beside the model, and those whose harmonic frequencies do.
POTENTIALS = by_file_name(config["md"]["potentials"])
HARMONIC_POTENTIALS = by_file_name(config["harmonic"]["potentials"])
HARMONIC_PSI4 = list(dict.fromkeys(config["harmonic"]["psi4"]))
# Tests of the model and, in the same way, of other potentials.
TESTS = list(dict.fromkeys(config["validation"]["tests"]))
TESTED = list(dict.fromkeys(config["validation"]["potentials"]))
COMPUTED_REFERENCE = compares(config) and config["validation"]["reference"] in PROGRAMS
MACE = mace_trainings(config)
KERNEL = list(dict.fromkeys(config["peers"]["kernel"]))
# Systems of the benchmark, and those of them whose orbitals lie beside its files.
RMD17 = [name for name, own in SYSTEMS.items() if "rmd17" in own]
WITH_ORBITALS = [name for name in RMD17 if given_orbitals(SYSTEMS[name])]
# Molecules that are laid beside experiment together; lengths of a family have figures of their own.
GALLERY = [name for name in harmonic_systems(config) if "family" not in SYSTEMS[name]]
LABELLED = [name for name, own in SYSTEMS.items() if "labels" not in own]
# Kinds of figures that a system has if there is something to draw.
DRAWN = {"convergence": config["spectrum"]["convergence"], "raman": RESPONDING, "ensemble": ENSEMBLE}
DRAWN |= {test: test in TESTS for test in ("ladder", "robustness")}
SHOWN = [kind for kind, known in DRAWN.items() if known]


def given_file(stage, name):
    """Return the file of given labels that a system has instead of a stage's own, None if there is none."""
    own = SYSTEMS[name]
    if stage == "harmonic_psi4":
        return given_harmonic(own) if name in HARMONIC_PSI4 else None
    if stage == "atoms" and "rmd17" in own:
        return given_atoms(own)
    if stage == "atoms" and "family" in own:
        own = SYSTEMS[one_of(config, own["family"])]
    # the given geometries of an unseen length are those that are judged by, not those that dynamics starts from
    if "labels" not in own or (stage == "geometries" and own.get("unseen")):
        return None
    return f"{own['labels']}/{GIVEN[stage]}" if stage in GIVEN else None


# The systems that a stage is made for, by the names in the table of stages; of what is made once, the run if it is.
MADE_FOR = {
    "every": list(SYSTEMS),
    "asked for": [],
    "sampled": [name for name, own in SYSTEMS.items() if "labels" not in own or own.get("unseen")],
    "labelled": LABELLED,
    "labelled unseen": [name for name in LABELLED if SYSTEMS[name].get("unseen")],
    "lacking atoms": [name for name in LABELLED if not given_file("atoms", name)],
    "families": FAMILIES,
    "ensembles": list(SYSTEMS) if ENSEMBLE else [],
    "active": list(SYSTEMS) if ROUNDS else [],
    "responding": list(SYSTEMS) if RESPONDING else [],
    "peers": list(SYSTEMS) if POTENTIALS else [],
    "tested": list(SYSTEMS) if TESTS else [],
    "tested beside others": list(SYSTEMS) if TESTS and TESTED else [],
    "tested against psi4": list(SYSTEMS) if COMPUTED_REFERENCE else [],
    "harmonic": harmonic_systems(config),
    "harmonic beside others": harmonic_systems(config) if HARMONIC_POTENTIALS else [],
    "differentiated": [name for name in HARMONIC_PSI4 if not given_file("harmonic_psi4", name)],
    "rmd17": RMD17,
    "with orbitals": WITH_ORBITALS,
    "mace": list(SYSTEMS) if MACE else [],
    "kernel": list(SYSTEMS) if KERNEL else [],
    "charted": [name for name, own in SYSTEMS.items() if not own.get("unseen")] if config["chart"] else [],
    "run": [RUN],
    "run with mace": [RUN] if MACE else [],
    "run with rmd17": [RUN] if RMD17 else [],
    "run with sweep": [RUN] if SWEEP else [],
    "run of several": [RUN] if len(GALLERY) > 1 else [],
}


# Rules say what is theirs. What follows from the table of stages they get here: log, benchmark, environment, threads,
# resources, priority, and the METHOD_VERSION whose change makes their files stale.
declare = workflow.rule


def rule_of_a_stage(name=None, **where):
    """Return the decorator of a rule, ``workflow.rule``, that adds what a stage's rule need not say."""

    def completed(ruleinfo):
        if ruleinfo.shellcmd:
            for directive in directives(name, ruleinfo):
                directive(ruleinfo)
        return declare(name, **where)(ruleinfo)

    return completed


def directives(name, ruleinfo):
    """Yield the directives that follow from the table of stages, the version beside the params that are written."""
    if name not in STAGES:
        raise WorkflowError(f"{name}: expected an entry in STAGES of workflow/stages.py, found none; add it")
    stage = STAGES[name]
    of_systems = "{system}" in str(ruleinfo.output)
    folder = SYSTEM if of_systems else RUN
    runtime = stage.minutes(config) if callable(stage.minutes) else stage.minutes
    resources = {"mem_mb": stage.memory.anyway, "runtime": runtime}
    each = [] if stage.each == "member" and not ENSEMBLE else stage.each.split()
    job = Path(name, *(f"{{{wildcard}}}" for wildcard in each)).as_posix()
    if stage.amount:
        resources = {resource: needed(name, resource) for resource in ("amount", "size", "mem_mb", "runtime")}
    yield workflow.log(f"{folder}/logs/{job}.log")
    yield workflow.benchmark(f"{folder}/benchmarks/{job}.tsv")
    yield workflow.conda(f"../../envs/{'psi4' if stage.psi4 else 'densnet'}.yaml")
    yield workflow.threads(stage.threads)
    yield workflow.priority(longest_first(stage.priority) if of_systems else stage.priority)
    yield workflow.resources(**resources)
    if stage.version:
        said, named = ruleinfo.params or ((), {})
        yield workflow.params(*said, **(named | {"method_version": method_version(stage.version)}))


workflow.rule = rule_of_a_stage


def needed(rule, resource):
    """Return a resources function: how much a job does, on what size, and the memory and minutes that follow."""

    def value(wildcards, threads, attempt):
        settings = PLACES.config_at(wildcards.system)
        potential = wildcards.get("peer", POTENTIALS.get(wildcards.get("potential")))
        job = work(rule, settings, name_of(wildcards), potential, wildcards.get("test"))
        return {
            "amount": lambda: job.amount,
            "size": lambda: job.size,
            "mem_mb": lambda: attempt * memory_mb(rule, job),
            "runtime": lambda: minutes(rule, job, threads, attempt),
        }[resource]()

    return value


def longest_first(lowest):
    """Return a priority function: of a family's jobs the longest first, up to 9 above the lowest priority."""
    return lambda wildcards: lowest + 9 * size_of(wildcards)


def size_of(wildcards):
    """Return how long a length is among its family's, up to 1 for the longest; 0 for a lone molecule."""
    own = system(wildcards)
    if "family" not in own:
        return 0.0
    family = config["families"][own["family"]]
    return own["units"] / max([*family["sizes"], *family["unseen"]])


def drawn(*kinds):
    """Return the pattern of the figures of some kinds."""
    return expand(f"{SYSTEM}/figures/{{figure}}.png", figure=figures_of(*kinds), allow_missing=True)


def outputs(stage, file=None):
    """Return the patterns of a stage's files, of one name or all."""
    made = getattr(rules, stage).output
    return getattr(made, file) if file else made


def files_at(place, stage, file=None, **fixed):
    """Return a stage's files at a place, those of all its jobs unless their wildcard is fixed."""
    each = STAGES[stage].each.split()
    jobs = {
        "shard": lambda: range(shards_of(system_of(place), stage)),
        "member": lambda: range(1, config["active"]["members"] + 1) if "round" in each else MEMBERS,
        "round": lambda: ROUNDS,
        "size": lambda: MACE,
        "potential": lambda: POTENTIALS,
        "test": lambda: TESTS,
        "peer": lambda: TESTED,
        "other": lambda: HARMONIC_POTENTIALS,
    }
    every = {wildcard: jobs[wildcard]() for wildcard in each if wildcard not in fixed}
    return expand(outputs(stage, file), **(every | fixed | {"system": place}))


def files_of(stage, file=None, names=None):
    """Return a stage's files, of one name or all, for all systems that it is made for or for some of them."""
    names = MADE_FOR[STAGES[stage].made_for] if names is None else names
    places = [RUN] if RUN in names else [PLACES.of_stage(stage, name) for name in names]
    return [path for place in dict.fromkeys(places) for path in files_at(place, stage, file)]


def of(stage, file=None, **fixed):
    """Return an input function: the files of another stage that this job's are made from, given or made, if any are."""

    def taken(wildcards):
        name = name_of(wildcards)
        if given := given_file(stage, name):
            return given
        if not made_for(stage, name) or fixed.get("test") not in (None, *TESTS):
            return []
        place = PLACES.of_stage(stage, wildcards.system)
        return files_at(place, stage, file, **{**dict(wildcards.items()), **fixed, "system": place})

    return taken


def made_for(stage, name):
    return name in MADE_FOR[STAGES[stage].made_for]


def of_all(stage, file=None):
    """Return an input function: the files of a stage for all systems that it is made for."""
    return lambda wildcards: files_of(stage, file)


def of_training(stage):
    """Return an input function: the files of a stage for all systems that a model learns from."""
    return lambda wildcards: [
        path for place in PLACES.of_training(stage, wildcards.system) for path in files_at(place, stage)
    ]


def charted_models(wildcards):
    """Return the models that have learned from the labels of a system: the run's own and those of the sweep."""
    name = name_of(wildcards)
    labels = PLACES.of_stage("labels", name)
    swept = [
        PLACES.of_values(TRAINED, variant.system, variant.values)
        for variant in SWEEP
        if variant.system == name and PLACES.of_values("labels", name, variant.values) == labels
    ]
    places = dict.fromkeys([PLACES.of_stage(TRAINED, name), *swept])
    return [path for place in places for path in files_at(place, TRAINED, "model")]


def learned_from(wildcards):
    """Return the labels that a model learns from: sampled ones, and those of rounds, in a round of the earlier ones."""
    rounds = range(1, int(wildcards.get("round", len(ROUNDS) + 1)))
    return of_training("labels")(wildcards) + [
        path for number in rounds for path in of("round_labels", round=number)(wildcards)
    ]


def of_lengths(stage, file=None):
    """Return an input function: a stage's files, given or made, of those lengths of a family that have them."""

    def taken(wildcards):
        names = [name for name in lengths_of(wildcards.system) if given_file(stage, name) or made_for(stage, name)]
        return [given_file(stage, name) or files_at(name, stage, file)[0] for name in names]

    return taken


def lengths_of(family):
    """Return the names of a family's lengths, in the order of config.yaml."""
    return [name for name, own in SYSTEMS.items() if own.get("family") == family]


def evaluations_of_lengths(wildcards):
    """Return the evaluations of all lengths of a family, of the run and of the sweep's variants."""
    names = lengths_of(wildcards.system)
    swept = [
        PLACES.of_values("evaluation", variant.system, variant.values) for variant in SWEEP if variant.system in names
    ]
    return [files_at(place, "evaluation")[0] for place in dict.fromkeys([*names, *swept])]


def labelled_frames(wildcards):
    """Return the geometries that are labelled: those sampled, or those that dynamics of an unseen length met."""
    return of("frames" if unseen(wildcards) else "geometries")(wildcards)


def name_of(wildcards):
    """Return the name of the system, whatever the variant; of a family, that of the length its basis is made from."""
    return one_of(config, system_of(wildcards.system))


def system(wildcards):
    """Return what the configuration says of the system."""
    return SYSTEMS[name_of(wildcards)]


def unseen(wildcards):
    """Return how many frames an unseen length is judged by, 0 for all other systems."""
    return system(wildcards).get("unseen", 0)


def shards(wildcards):
    """Return in how many shards a system is labelled: no more than it has frames."""
    return shards_of(name_of(wildcards))


def shards_of(name, stage="label_shard"):
    if name in WITH_ORBITALS:
        return 1
    shards = config["reference"]["shards"]
    if stage == "round_shard":
        return min(shards, config["active"]["frames"])
    return shards if stage == "displaced_shard" else min(shards, frames_of(config, SYSTEMS[name]))


def settings_of(stage, **instead):
    """Return a params function: what a stage reads of the configuration, some of it replaced, as command line options."""
    return lambda wildcards: as_options(read_by(stage, wildcards) | instead)


def with_files(option, *inputs):
    """Return an option of the command line with the files of some inputs, nothing if there are none."""
    paths = [path for given in inputs for path in ([given] if isinstance(given, str) else given)]
    return shlex.join([option, *paths]) if paths else ""


def files_as(**options):
    """Return a params function: command line options, each with the files of the inputs that it names, if any."""
    return lambda wildcards, input: " ".join(
        with_files(f"--{option.replace('_', '-')}", *(input.get(name, []) for name in names.split()))
        for option, names in options.items()
    )


def test_files(wildcards, input):
    """Return the findings of tests, and whose they are, as command line options."""
    tested = shlex.join(["--tested", "model", *TESTED]) if TESTS else ""
    files = files_as(ladder="ladder peer_ladders", robustness="robustness peer_robustness")
    return f"{tested} {files(wildcards, input)}"


def made(name, *stages):
    """Return the file of each of the stages that a system has."""
    return {stage: files_at(name, stage)[0] for stage in stages if made_for(stage, name)}


def pictures(name, *stages):
    """Return the figures that stages draw of a system or family."""
    return [path for stage in stages if made_for(stage, name) for path in files_at(name, stage, "figures")]


def read_by(stage, wildcards):
    """Return what a stage reads of the configuration."""
    complete, read = PLACES.config_at(wildcards.system), {}
    for key in STAGES[stage].reads:
        value = lookup(complete, key)
        read |= value if isinstance(value, dict) else {key.split(".")[-1]: value}
    # Psi4 was the only program once: runs of that time are as they would be made today.
    return {key: value for key, value in read.items() if (key, value) != ("program", PSI4)}


def model(name):
    """Return a params function: a model's sections as command line options; members of an ensemble differ by seed."""

    def options(wildcards):
        settings = PLACES.config_at(wildcards.system)[name]
        training = dict(settings["training"])
        training["seed"] += int(wildcards.get("member", 1)) - 1
        if "round" in wildcards.keys():
            training |= of_a_round(training, int(wildcards.round))
        return as_options({"target": settings.get("target")} | settings["architecture"] | training)

    return options


def of_a_round(training, number):
    """Return what the trainings of a round have of their own: fewer steps, and a smaller rate where they go on."""
    active = config["active"]
    rate = training["learning_rate"] * (active["warm_rate"] if number > 1 else 1)
    return {"steps": max(round(active["steps_share"] * training["steps"]), 1), "learning_rate": rate}


def one_for_each_gpu(wildcards, resources):
    """Return in how many processes a model is trained; no trigger, for the profile says it and the result is the same."""
    return max(int(resources.get("gpu", 1)), 1)


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


def experiment(wildcards):
    """Return the experimental data of the molecule's infrared spectrum, as command line options."""
    return as_options(system(wildcards)["experiment"] | {"raman_jcamp": None})


def raman_experiment(wildcards):
    """Return those of its Raman spectrum."""
    known = system(wildcards)["experiment"]
    return as_options({"fundamentals": known["fundamentals"], "jcamp": known.get("raman_jcamp")})


def user_files(wildcards, *keys):
    """Return those of a system's entries that are files, so that a changed file is noticed."""
    own = system(wildcards)
    entries = [(own | own["experiment"]).get(key) for key in keys]
    return [entry for entry in entries if entry and Path(entry).is_file()]


def basis_files(wildcards):
    """Return the fitting bases that are files, so that a changed file is noticed."""
    reference = PLACES.config_at(wildcards.system)["reference"]
    entries = [reference[key] for key in ("fit_basis", "natural_primitives")]
    return family_basis(wildcards) or [entry for entry in entries if Path(entry).is_file()]


def family_basis(wildcards):
    """Return the file of natural functions that another length of the family made, if this one takes it over."""
    family = system(wildcards).get("family")
    natural = PLACES.config_at(wildcards.system)["reference"]["fit_basis"] == "natural"
    if not family or not natural or name_of(wildcards) == one_of(config, family):
        return []
    return files_at(PLACES.of_stage("fit_basis", wildcards.system), "fit_basis")


def fit_settings(wildcards):
    """Return how densities are fitted, and how many frames of given labels, as command line options."""
    own = {"fit_basis": path for path in family_basis(wildcards)}
    frames = PLACES.config_at(wildcards.system)["systems"][name_of(wildcards)].get("frames", {})
    return as_options(read_by("labels", wildcards) | own | frames)


# The labels' level converged further, for small differences of forces.
DIFFERENCES = settings_of("displaced", energy_convergence=1e-10, density_convergence=1e-8)
