# What energy and forces cost against how wrong they are: of the models of the run and of its sweep, and of others.
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


rule chart:
    input:
        labels=of("labels"),
        models=charted_models,
        kernel=of("kernel", "model"),
        mace=of("mace"),
    output:
        table=f"{SYSTEM}/speed_accuracy_chart.csv",
        figures=expand(
            f"{SYSTEM}/figures/{{figure}}.png",
            figure=figures_of("chart"),
            allow_missing=True,
        ),
    params:
        mace=lambda wildcards, input: with_files("--peer", input.mace),
        settings=settings_of("chart"),
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: speed and accuracy of the models and of others"
    shell:
        "densnet chart --system {wildcards.system} --labels {input.labels:q} --model {input.models:q} {input.kernel:q} "
        "{params.mace} {params.settings} --output {output.table} --figures {params.folder} 2>&1 | tee -i {log} >&2"
