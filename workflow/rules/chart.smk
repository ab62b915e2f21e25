# What energy and forces cost against how wrong they are: of the models of the run and of its sweep, and of others.
rule chart:
    input:
        labels=of("labels"),
        models=charted_models,
        kernel=of("kernel", "model"),
        mace=of("mace"),
    output:
        table=f"{SYSTEM}/speed_accuracy_chart.csv",
        figures=drawn("chart"),
    params:
        mace=files_as(peer="mace"),
        settings=settings_of("chart"),
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: speed and accuracy of the models and of others"
    shell:
        "densnet chart --system {wildcards.system} --labels {input.labels:q} --model {input.models:q} {input.kernel:q} "
        "{params.mace} {params.settings} --output {output.table} --figures {params.folder} 2>&1 | tee -i {log} >&2"
