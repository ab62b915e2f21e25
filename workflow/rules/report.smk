rule report:
    input:
        figures=expand(rules.figures.output.figures, system=config["systems"]),
        metrics=of_every_system(rules.metrics.output.metrics),
        labels=of_every_system(rules.labels.output.labels),
        comparison=of_every_system(rules.comparison.output.comparison),
        peers=rules.peers.output.table if MACE else [],
        sweep=rules.sweep.output.sweep if SWEEP else [],
        sweep_figures=rules.sweep.output.figures if SWEEP else [],
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
        sweep=lambda wildcards, input: (
            f"--sweep {input.sweep} --sweep-figures {input.sweep_figures}"
            if SWEEP
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
        "{params.peers} {params.sweep} --config {input.config} --jobs {params.jobs} "
        "--output {output.report} 2>&1 | tee -i {log} >&2"
