# Active learning. In each round an ensemble learns from all labels that there are, hot dynamics of its members finds
# frames that it does not know, and Psi4 labels them.
def of_round_before(stage, file):
    """Return an input function: the file of a stage in the round before; none in the first."""

    def taken(wildcards):
        number = int(wildcards.round) - 1
        return of(stage, file, round=number)(wildcards) if number else []

    return taken


use rule density_model as round_density with:
    input:
        labels=learned_from,
        start=of_round_before("round_density", "density"),
    output:
        density=f"{ROUND}/members/{{member}}/density.pt",
        learning=f"{ROUND}/members/{{member}}/density.csv",
    message:
        "{wildcards.system}: round {wildcards.round}, training the density model, member {wildcards.member}"


use rule energy_model as round_energy with:
    input:
        labels=learned_from,
        density=of("round_density", "density"),
        start=of_round_before("round_energy", "model"),
    output:
        energy=f"{ROUND}/members/{{member}}/energy.pt",
        model=f"{ROUND}/members/{{member}}/model.pt",
        learning=f"{ROUND}/members/{{member}}/energy.csv",
    message:
        "{wildcards.system}: round {wildcards.round}, training the energy model, member {wildcards.member}"


rule round_model:
    input:
        models=of("round_energy", "model"),
    output:
        model=f"{ROUND}/model.pt",
    message:
        "{wildcards.system}: round {wildcards.round}, joining the members of the ensemble"
    shell:
        "densnet train join --models {input.models:q} --output {output.model} 2>&1 | tee -i {log} >&2"


rule round_geometries:
    input:
        model=of("round_model"),
        labels=learned_from,
        geometries=of("geometries"),
    output:
        geometries=f"{ROUND}/geometries.nc",
    params:
        settings=settings_of("round_geometries", rounds=None, members=None, steps_share=None, warm_rate=None),
    message:
        "{wildcards.system}: round {wildcards.round}, looking for frames that the models do not know"
    shell:
        "densnet collect --model {input.model:q} --labels {input.labels:q} --geometries {input.geometries:q} "
        "{params.settings} --processes {threads} --output {output.geometries} 2>&1 | tee -i {log} >&2"


use rule label_shard as round_shard with:
    input:
        geometries=of("round_geometries"),
    output:
        shard=f"{ROUND}/shards/{{shard}}.nc",
    params:
        shards=lambda wildcards: shards_of(name_of(wildcards), "round_shard"),
        level=settings_of("round_shard"),
    message:
        "{wildcards.system}: round {wildcards.round}, labelling, shard {wildcards.shard} of {params.shards}"


use rule labels as round_labels with:
    input:
        shards=of("round_shard"),
        geometries=of("round_geometries"),
        atoms=of("atoms"),
        basis_files=lambda wildcards: files_at(PLACES.of_stage("fit_basis", wildcards.system), "fit_basis"),
    output:
        labels=f"{ROUND}/labels.nc",
    params:
        settings=lambda wildcards, input: as_options(
            read_by("round_labels", wildcards) | {"fit_basis": input.basis_files}
        ),
    message:
        "{wildcards.system}: round {wildcards.round}, fitting the densities"


rule rounds:
    input:
        models=of("round_model"),
        final=of(TRAINED, "model"),
        labels=of("labels"),
        found=of("round_labels"),
        geometries=of("round_geometries"),
    output:
        table=f"{SYSTEM}/rounds.nc",
        csv=f"{SYSTEM}/rounds.csv",
        figures=drawn("rounds"),
    params:
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: what active learning gave"
    shell:
        "densnet rounds --name {wildcards.system} --models {input.models:q} {input.final:q} --labels {input.labels:q} "
        "--found {input.found:q} --geometries {input.geometries:q} --output {output.table} --csv {output.csv} "
        "--figures {params.folder} 2>&1 | tee -i {log} >&2"
