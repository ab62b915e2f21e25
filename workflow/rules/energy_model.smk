rule energy_model:
    input:
        labels=learned_from,
        density=of("density_model", "density"),
    output:
        energy=f"{MEMBER}/energy.pt",
        model=f"{MEMBER}/model.pt",
        learning=f"{MEMBER}/energy.csv",
    params:
        start=files_as(start="start"),
        settings=model("energy_model"),
        processes=one_for_each_gpu,
    message:
        f"{{wildcards.system}}: training the energy model{MEMBER_NOTE}"
    shell:
        "densnet train energy --labels {input.labels:q} --density {input.density:q} {params.start} {params.settings} --threads {threads} "
        "--processes {params.processes} --log {output.learning} --output {output.energy} --model {output.model} "
        "2>&1 | tee -i {log} >&2"
