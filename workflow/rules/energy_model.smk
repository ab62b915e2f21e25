rule energy_model:
    input:
        labels=rules.labels.output.labels,
        density=rules.density_model.output.density,
    output:
        energy=f"{SYSTEM}/energy.pt",
        model=f"{SYSTEM}/model.pt",
        learning=f"{SYSTEM}/energy.csv",
    log:
        f"{SYSTEM}/logs/energy_model.log",
    benchmark:
        f"{SYSTEM}/benchmarks/energy_model.tsv"
    priority: 60
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=1440,
    params:
        settings=model("energy_model"),
        method_version=method_version("densnet.training.energy"),
    message:
        "{wildcards.system}: training the energy model"
    shell:
        "densnet train energy --labels {input.labels} --density {input.density} {params.settings} --threads {threads} "
        "--log {output.learning} --output {output.energy} --model {output.model} 2>&1 | tee -i {log} >&2"
