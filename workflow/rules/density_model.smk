rule density_model:
    input:
        labels=of_training("labels", rules.labels.output.labels),
    output:
        density=f"{MEMBER}/density.pt",
        learning=f"{MEMBER}/density.csv",
    log:
        f"{SYSTEM}/logs/{job('density_model')}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/{job('density_model')}.tsv"
    priority: 60
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("density_model", "amount"),
        size=needed("density_model", "size"),
        mem_mb=needed("density_model", "mem_mb"),
        runtime=needed("density_model", "runtime"),
    params:
        settings=model("density_model"),
        processes=one_for_each_gpu,
        method_version=method_version("densnet.training.density"),
    message:
        f"{{wildcards.system}}: training the density model{MEMBER_NOTE}"
    shell:
        "densnet train density --labels {input.labels} {params.settings} --threads {threads} "
        "--processes {params.processes} --log {output.learning} --output {output.density} 2>&1 | tee -i {log} >&2"
