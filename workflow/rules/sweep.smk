# The variants' models and evaluations are made by the same rules as the run's own; see of() in common.smk.


SWEEP_ROWS = table_rows(
    config,
    RUN,
    {
        "density_model": rules.density_model.output.learning,
        "energy_model": rules.energy_model.output.learning,
        "evaluation": rules.evaluation.output.evaluation,
        "metrics": rules.metrics.output.metrics,
    },
    MEMBERS,
)


# What each variant is: beside it, and all together for the table.
rule sweep_plan:
    output:
        plan=f"{RUN}/sweep.json",
        notes=[f"{RUN}/{place}/variant.json" for place in PLACES.values],
    log:
        f"{RUN}/logs/sweep_plan.log",
    priority: 100
    localrule: True
    params:
        rows=SWEEP_ROWS,
        places=list(PLACES.values),
    message:
        "{config[run]}: what each variant is"
    run:
        write_plan(output.plan, output.notes, places=PLACES, rows=params.rows)


PEER_ROWS = rows_for_peers(config, SWEEP_ROWS)


# One after another, each timed beside our model of as many frames.
use rule peers as sweep_peers with:
    input:
        evaluation=[row["evaluation"] for row in PEER_ROWS],
        peers=[f"{Path(row['evaluation']).parent}/mace_{size}.nc" for row in PEER_ROWS for size in MACE],
        learning=[log for row in PEER_ROWS for log in row["density_logs"] + row["energy_logs"]],
    output:
        table=f"{RUN}/sweep_peers.csv",
    params:
        systems=[row["system"] for row in PEER_ROWS],


rule sweep:
    input:
        plan=rules.sweep_plan.output.plan,
        peers=rules.sweep_peers.output.table if MACE else [],
        kernel=of_all("kernel"),
        evaluations=[row["evaluation"] for row in SWEEP_ROWS],
        logs=[log for row in SWEEP_ROWS for log in row["density_logs"] + row["energy_logs"]],
        metrics=[row["metrics"] for row in SWEEP_ROWS if row["metrics"]],
    output:
        sweep=f"{RUN}/sweep.nc",
        csv=f"{RUN}/sweep.csv",
        figures=[f"{RUN}/figures/sweep_{system}.png" for system in SYSTEMS],
    params:
        folder=lambda wildcards: f"{RUN}/figures",
        peers=files_as(peers="peers"),
    message:
        "{config[run]}: table and figures of the sweep"
    shell:
        "densnet sweep --plan {input.plan:q} {params.peers} --output {output.sweep} --csv {output.csv} "
        "--figures {params.folder} 2>&1 | tee -i {log} >&2"
