rule ensemble:
    input:
        models=of_every_member(rules.energy_model.output.model),
    output:
        model=MODEL,
    log:
        f"{SYSTEM}/logs/ensemble.log",
    benchmark:
        f"{SYSTEM}/benchmarks/ensemble.tsv"
    priority: 60
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "{wildcards.system}: joining the members of the ensemble"
    shell:
        "densnet train join --models {input.models} --output {output.model} 2>&1 | tee -i {log} >&2"
