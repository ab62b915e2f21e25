# The variants' models and evaluations are made by the same rules as the run's own; see of() in common.smk.


def at(place, paths):
    """Return the files of a place, for each member of the ensemble where there are several."""
    return expand(paths, system=place, member=MEMBERS)


def sweep_rows():
    """Return what the table needs of each variant."""
    rows = []
    for variant in SWEEP:
        places = {
            stage: PLACES.of_values(stage, variant.system, variant.values)
            for stage in ("density_model", "energy_model", "evaluation", "metrics")
        }
        finished = variant.last == "metrics"
        rows.append(
            {
                "system": variant.system,
                "settings": variant.values,
                "folder": f"{RUN}/{places[variant.last]}",
                "evaluation": at(
                    places["evaluation"], rules.evaluation.output.evaluation
                )[0],
                "density_logs": at(
                    places["density_model"], rules.density_model.output.learning
                ),
                "energy_logs": at(
                    places["energy_model"], rules.energy_model.output.learning
                ),
                "metrics": (
                    at(places["metrics"], rules.metrics.output.metrics)[0]
                    if finished
                    else None
                ),
            }
        )
    return rows


SWEEP_ROWS = sweep_rows()


# What each variant is: beside it, and all together for the table.
rule sweep_plan:
    output:
        plan=f"{RUN}/sweep.json",
        notes=[f"{RUN}/{place}/variant.json" for place in PLACES.values],
    priority: 100
    localrule: True
    params:
        axes=[{"name": axis.name, "keys": axis.keys} for axis in axes(config)],
        rows=SWEEP_ROWS,
        notes=list(PLACES.values.values()),
    message:
        "{config[run]}: what each variant is"
    run:
        plan = {"axes": params.axes, "rows": params.rows}
        Path(output.plan).write_text(json.dumps(plan, indent=1) + "\n")
        for path, values in zip(output.notes, params.notes, strict=True):
            Path(path).write_text(json.dumps(values, indent=1) + "\n")


rule sweep:
    input:
        plan=rules.sweep_plan.output.plan,
        evaluations=[row["evaluation"] for row in SWEEP_ROWS],
        logs=[
            log
            for row in SWEEP_ROWS
            for log in row["density_logs"] + row["energy_logs"]
        ],
        metrics=[row["metrics"] for row in SWEEP_ROWS if row["metrics"]],
    output:
        sweep=f"{RUN}/sweep.nc",
        csv=f"{RUN}/sweep.csv",
        figures=[f"{RUN}/figures/sweep_{system}.png" for system in config["systems"]],
    log:
        f"{RUN}/logs/sweep.log",
    benchmark:
        f"{RUN}/benchmarks/sweep.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=f"{RUN}/figures",
        method_version=method_version("densnet.report.sweep_table"),
    message:
        "{config[run]}: table and figures of the sweep"
    shell:
        "densnet sweep --plan {input.plan} --output {output.sweep} --csv {output.csv} --figures {params.folder} "
        "2>&1 | tee -i {log} >&2"
