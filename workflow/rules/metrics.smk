rule metrics:
    input:
        evaluation=of("evaluation"),
        trajectory=of("trajectory"),
        comparison=of("comparison"),
        response=of("response_errors"),
    output:
        metrics=f"{SYSTEM}/metrics.json",
    params:
        response=files_as(response="response"),
    message:
        "{wildcards.system}: metrics"
    shell:
        "densnet metrics --evaluation {input.evaluation:q} --trajectory {input.trajectory:q} "
        "--comparison {input.comparison:q} {params.response} --output {output.metrics} 2>&1 | tee -i {log} >&2"
