rule density_model:
    input:
        labels=learned_from,
    output:
        density=f"{MEMBER}/density.pt",
        learning=f"{MEMBER}/density.csv",
    params:
        start=files_as(start="start"),
        settings=model("density_model"),
        processes=one_for_each_gpu,
    message:
        f"{{wildcards.system}}: training the density model{MEMBER_NOTE}"
    shell:
        "densnet train density --labels {input.labels:q} {params.start} {params.settings} --threads {threads} "
        "--processes {params.processes} --log {output.learning} --output {output.density} 2>&1 | tee -i {log} >&2"
