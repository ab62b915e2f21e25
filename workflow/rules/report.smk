rule report:
    input:
        figures=expand(rules.figures.output.figures, system=config["systems"]),
        metrics=of_every_system(rules.metrics.output.metrics),
        labels=of_every_system(rules.labels.output.labels),
        comparison=of_every_system(rules.comparison.output.comparison),
        assignment=of_every_system(rules.assignment.output.assignment),
        peers=rules.peers.output.table if MACE else [],
        benchmark=rules.benchmark_table.output.table if RMD17 else [],
        sweep=rules.sweep.output.sweep if SWEEP else [],
        sweep_figures=rules.sweep.output.figures if SWEEP else [],
        family_figures=(
            expand(
                [*rules.lengths.output.figures, *rules.chains.output.figures],
                system=FAMILIES,
            )
            if FAMILIES
            else []
        ),
        lengths=expand(rules.lengths.output.table, system=FAMILIES) if FAMILIES else [],
        chains=expand(rules.chains.output.table, system=FAMILIES) if FAMILIES else [],
        config=CONFIG_FILE,
    output:
        report=f"{RUN}/report.html",
    log:
        f"{RUN}/logs/report.log",
    benchmark:
        f"{RUN}/benchmarks/report.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        run=config["run"],
        systems=list(config["systems"]),
        peers=lambda wildcards, input: f"--peers {input.peers}" if MACE else "",
        benchmark=lambda wildcards, input: (
            f"--benchmark {input.benchmark}" if RMD17 else ""
        ),
        sweep=lambda wildcards, input: (
            f"--sweep {input.sweep} --sweep-figures {input.sweep_figures}"
            if SWEEP
            else ""
        ),
        families=lambda wildcards, input: (
            f"--family {' '.join(FAMILIES)} --lengths {input.lengths} --chains {input.chains} "
            f"--family-figures {' '.join(expand(f'{SYSTEM}/figures', system=FAMILIES))}"
            if FAMILIES
            else ""
        ),
        folders=of_every_system(f"{SYSTEM}/figures"),
        jobs=lambda wildcards, output: Path(output.report).parent,
        method_version=method_version("densnet.report"),
    message:
        "report of {params.systems}"
    shell:
        "densnet report --run {params.run} --system {params.systems} --figures {params.folders} "
        "--metrics {input.metrics} --labels {input.labels} --comparison {input.comparison} "
        "--assignment {input.assignment} "
        "{params.peers} {params.benchmark} {params.sweep} {params.families} --config {input.config} --jobs {params.jobs} "
        "--output {output.report} 2>&1 | tee -i {log} >&2"
