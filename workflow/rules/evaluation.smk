rule evaluation:
    input:
        labels=of("labels"),
        model=of(TRAINED, "model"),
    output:
        evaluation=f"{SYSTEM}/evaluation.nc",
    message:
        "{wildcards.system}: errors on the test frames"
    shell:
        "densnet evaluate --labels {input.labels:q} --model {input.model:q} "
        "--threads {threads} --output {output.evaluation} 2>&1 | tee -i {log} >&2"
