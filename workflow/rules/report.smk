import json

# What the page is made from; "densnet report --help" says what is in it.
MANIFEST = {
    "name": config["run"],
    "systems": [
        {
            "name": name,
            **made(name, "metrics", "labels", "comparison", "assignment", "raman", "raman_comparison"),
            "validation": [
                {
                    "test": test,
                    "reference": config["validation"]["reference"] if test in COMPARED else None,
                    "findings": {
                        tested: f"{RUN}/{name}/validation/{test}_{tested}.csv" for tested in ["model", *TESTED]
                    },
                }
                for test in TESTS
            ],
            "chart": f"{RUN}/{name}/speed_accuracy_chart.csv" if made_for("chart", name) else None,
            "figures": pictures(name, "figures", "rounds", "chart"),
        }
        for name in SYSTEMS
    ],
    "families": [
        {
            "name": name,
            "lengths": f"{RUN}/{name}/lengths.nc",
            "chains": f"{RUN}/{name}/chains.nc",
            "figures": pictures(name, "lengths", "chains"),
        }
        for name in FAMILIES
    ],
    "peers": rules.peers.output.table if MACE else None,
    "benchmark": rules.benchmark_table.output.table if RMD17 else None,
    "sweep": ({"table": rules.sweep.output.sweep, "figures": list(rules.sweep.output.figures)} if SWEEP else None),
    "gallery": ({"tables": RUN, "figures": [rules.gallery.output.figure]} if made_for("gallery", RUN) else None),
    "config": str(CONFIG_FILE),
    "jobs": RUN,
}


rule report:
    input:
        figures=of_all("figures"),
        metrics=of_all("metrics"),
        labels=of_all("labels"),
        comparison=of_all("comparison"),
        assignment=of_all("assignment"),
        raman=of_all("raman"),
        raman_comparison=of_all("raman_comparison"),
        tests=of_all("validation"),
        peer_tests=of_all("peer_validation"),
        peers=of_all("peers"),
        charts=of_all("chart"),
        benchmark=of_all("benchmark_table"),
        sweep=of_all("sweep", "sweep"),
        sweep_figures=of_all("sweep", "figures"),
        round_figures=of_all("rounds", "figures"),
        family_figures=lambda wildcards: files_of("lengths", "figures") + files_of("chains", "figures"),
        lengths=of_all("lengths", "table"),
        chains=of_all("chains", "table"),
        gallery=of_all("gallery"),
        config=CONFIG_FILE,
    output:
        report=f"{RUN}/report.html",
        manifest=f"{RUN}/report.json",
    params:
        manifest=json.dumps(MANIFEST),
        systems=list(SYSTEMS),
    message:
        "report of {params.systems}"
    shell:
        "printf '%s\\n' {params.manifest:q} > {output.manifest}; "
        "densnet report --manifest {output.manifest} --output {output.report} 2>&1 | tee -i {log} >&2"
