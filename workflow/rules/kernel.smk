# The map of 2017 on the frames of our networks, one training of it a number of points, and the networks beside it.
rule kernel:
    input:
        labels=of("labels"),
        evaluations=lambda wildcards: (
            [row["evaluation"] for row in SWEEP_ROWS if row["system"] == name_of(wildcards)]
            or of("evaluation")(wildcards)
        ),
    output:
        table=f"{SYSTEM}/kernel.csv",
        model=f"{SYSTEM}/kernel.nc",
    params:
        m=" ".join(map(str, KERNEL)),
    message:
        "{wildcards.system}: the Hohenberg-Kohn map by kernel ridge regression"
    shell:
        "densnet kernel --labels {input.labels:q} --evaluation {input.evaluations:q} --m {params.m} "
        "--model {output.model} --output {output.table} 2>&1 | tee -i {log} >&2"
