import json

# What the page is made from; "densnet report --help" says what is in it.
MANIFEST = {
    "name": config["run"],
    "systems": [
        {
            "name": name,
            "metrics": f"{RUN}/{name}/metrics.json",
            "labels": f"{RUN}/{name}/labels.nc",
            "comparison": f"{RUN}/{name}/comparison.nc",
            "assignment": f"{RUN}/{name}/assignment.nc",
            "figures": expand(rules.figures.output.figures, system=name),
        }
        for name in config["systems"]
    ],
    "families": [
        {
            "name": name,
            "lengths": f"{RUN}/{name}/lengths.nc",
            "chains": f"{RUN}/{name}/chains.nc",
            "figures": expand(
                [*rules.lengths.output.figures, *rules.chains.output.figures],
                system=name,
            ),
        }
        for name in FAMILIES
    ],
    "peers": rules.peers.output.table if MACE else None,
    "benchmark": rules.benchmark_table.output.table if RMD17 else None,
    "sweep": (
        {"table": rules.sweep.output.sweep, "figures": list(rules.sweep.output.figures)}
        if SWEEP
        else None
    ),
    "config": str(CONFIG_FILE),
    "jobs": RUN,
}


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
        manifest=f"{RUN}/report.json",
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
        manifest=json.dumps(MANIFEST),
        systems=list(config["systems"]),
        method_version=method_version("densnet.report"),
    message:
        "report of {params.systems}"
    shell:
        "printf '%s\\n' {params.manifest:q} > {output.manifest}; "
        "densnet report --manifest {output.manifest} --output {output.report} 2>&1 | tee -i {log} >&2"
