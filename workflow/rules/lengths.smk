# Errors against the length of the chain: of the run's own model, and of every variant of a sweep beside it.
rule lengths:
    input:
        evaluations=evaluations_of_lengths(rules.evaluation.output.evaluation),
    output:
        table=f"{SYSTEM}/lengths.nc",
        csv=f"{SYSTEM}/lengths.csv",
        figures=expand(
            f"{SYSTEM}/figures/{{figure}}.png",
            figure=figures_of("lengths"),
            allow_missing=True,
        ),
    log:
        f"{SYSTEM}/logs/lengths.log",
    benchmark:
        f"{SYSTEM}/benchmarks/lengths.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=f"{SYSTEM}/figures",
        method_version=method_version("densnet.report.lengths"),
    message:
        "{wildcards.system}: errors against the length of the chain"
    shell:
        "densnet lengths --name {wildcards.system} --evaluations {input.evaluations} --output {output.table} "
        "--csv {output.csv} --figures {params.folder} 2>&1 | tee -i {log} >&2"
