rule metrics:
    input:
        evaluation=of("evaluation", rules.evaluation.output.evaluation),
        trajectory=of("trajectory", rules.trajectory.output.trajectory),
        comparison=of("comparison", rules.comparison.output.comparison),
    output:
        metrics=f"{SYSTEM}/metrics.json",
    log:
        f"{SYSTEM}/logs/metrics.log",
    benchmark:
        f"{SYSTEM}/benchmarks/metrics.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        method_version=method_version("densnet.report.metrics"),
    message:
        "{wildcards.system}: metrics"
    shell:
        "densnet metrics --evaluation {input.evaluation} --trajectory {input.trajectory} "
        "--comparison {input.comparison} --output {output.metrics} 2>&1 | tee -i {log} >&2"
