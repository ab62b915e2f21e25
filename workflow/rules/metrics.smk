rule metrics:
    input:
        evaluation=of("evaluation"),
        trajectory=of("trajectory"),
        comparison=of("comparison"),
    output:
        metrics=f"{SYSTEM}/metrics.json",
    message:
        "{wildcards.system}: metrics"
    shell:
        "densnet metrics --evaluation {input.evaluation:q} --trajectory {input.trajectory:q} "
        "--comparison {input.comparison:q} --output {output.metrics} 2>&1 | tee -i {log} >&2"
