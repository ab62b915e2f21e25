rule ensemble:
    input:
        models=of("energy_model", "model"),
    output:
        model=f"{SYSTEM}/model.pt",
    message:
        "{wildcards.system}: joining the members of the ensemble"
    shell:
        "densnet train join --models {input.models:q} --output {output.model} 2>&1 | tee -i {log} >&2"
