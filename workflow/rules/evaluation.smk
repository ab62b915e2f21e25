rule evaluation:
    input:
        labels=of("labels", rules.labels.output.labels),
        model=of("energy_model", MODEL),
    output:
        evaluation=f"{SYSTEM}/evaluation.nc",
    log:
        f"{SYSTEM}/logs/evaluation.log",
    benchmark:
        f"{SYSTEM}/benchmarks/evaluation.tsv"
    priority: longest_first(40)
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("evaluation", "amount"),
        size=needed("evaluation", "size"),
        mem_mb=needed("evaluation", "mem_mb"),
        runtime=needed("evaluation", "runtime"),
    params:
        method_version=method_version("densnet.training.evaluation"),
    message:
        "{wildcards.system}: errors on the test frames"
    shell:
        "densnet evaluate --labels {input.labels} --model {input.model} "
        "--threads {threads} --output {output.evaluation} 2>&1 | tee -i {log} >&2"
