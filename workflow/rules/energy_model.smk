rule energy_model:
    input:
        labels=of_training("labels", rules.labels.output.labels),
        density=of("density_model", rules.density_model.output.density),
    output:
        energy=f"{MEMBER}/energy.pt",
        model=f"{MEMBER}/model.pt",
        learning=f"{MEMBER}/energy.csv",
    log:
        f"{SYSTEM}/logs/{job('energy_model')}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/{job('energy_model')}.tsv"
    priority: 60
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("energy_model", "amount"),
        size=needed("energy_model", "size"),
        mem_mb=needed("energy_model", "mem_mb"),
        runtime=needed("energy_model", "runtime"),
    params:
        settings=model("energy_model"),
        processes=one_for_each_gpu,
        method_version=method_version("densnet.training.energy"),
    message:
        f"{{wildcards.system}}: training the energy model{MEMBER_NOTE}"
    shell:
        "densnet train energy --labels {input.labels} --density {input.density} {params.settings} --threads {threads} "
        "--processes {params.processes} --log {output.learning} --output {output.energy} --model {output.model} "
        "2>&1 | tee -i {log} >&2"
