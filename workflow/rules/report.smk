rule report:
    input:
        figures=of_all("figures"),
        metrics=of_all("metrics"),
        labels=of_all("labels"),
        comparison=of_all("comparison"),
        assignment=of_all("assignment"),
        peers=of_all("peers"),
        benchmark=of_all("benchmark_table"),
        sweep=of_all("sweep", "sweep"),
        sweep_figures=of_all("sweep", "figures"),
        family_figures=lambda wildcards: files_of("lengths", "figures") + files_of("chains", "figures"),
        lengths=of_all("lengths", "table"),
        chains=of_all("chains", "table"),
        config=CONFIG_FILE,
    output:
        report=f"{RUN}/report.html",
    params:
        run=config["run"],
        systems=list(SYSTEMS),
        peers=lambda wildcards, input: f"--peers {input.peers}" if input.peers else "",
        benchmark=lambda wildcards, input: (f"--benchmark {input.benchmark}" if input.benchmark else ""),
        sweep=lambda wildcards, input: (
            f"--sweep {input.sweep} --sweep-figures {input.sweep_figures}" if input.sweep else ""
        ),
        families=lambda wildcards, input: (
            f"--family {' '.join(FAMILIES)} --lengths {input.lengths} --chains {input.chains} "
            f"--family-figures {' '.join(expand(f'{SYSTEM}/figures', system=FAMILIES))}"
            if input.lengths
            else ""
        ),
        folders=expand(f"{SYSTEM}/figures", system=SYSTEMS),
        jobs=lambda wildcards, output: Path(output.report).parent,
    message:
        "report of {params.systems}"
    shell:
        "densnet report --run {params.run} --system {params.systems} --figures {params.folders} "
        "--metrics {input.metrics} --labels {input.labels} --comparison {input.comparison} "
        "--assignment {input.assignment} "
        "{params.peers} {params.benchmark} {params.sweep} {params.families} --config {input.config} --jobs {params.jobs} "
        "--output {output.report} 2>&1 | tee -i {log} >&2"
