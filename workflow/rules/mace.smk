# MACE on the same frames, in the environment that envs/setup.sh mace makes. It waits for our model, to be timed beside it.
rule mace:
    input:
        labels=of("labels", rules.labels.output.labels),
        model=of("energy_model", MODEL),
    output:
        peer=f"{SYSTEM}/mace_{{size}}.nc",
    log:
        f"{SYSTEM}/logs/mace/{{size}}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/mace/{{size}}.tsv"
    wildcard_constraints:
        size="|".join(MACE),
    priority: 10
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=int(config["peers"]["mace_minutes"]) + 120,
    params:
        settings=lambda wildcards: as_options(
            {
                "size": wildcards.size,
                "minutes": config["peers"]["mace_minutes"],
                "n_train": PLACES.config_at(wildcards.system)["energy_model"][
                    "training"
                ].get("n_train"),
            }
        ),
        method_version=method_version("densnet.peers.mace"),
    message:
        "{wildcards.system}: training MACE, {wildcards.size}"
    shell:
        "densnet peer mace --labels {input.labels} --model {input.model} {params.settings} --threads {threads} "
        "--output {output.peer} 2>&1 | tee -i {log} >&2"


rule peers:
    input:
        evaluation=of_every_system(rules.evaluation.output.evaluation),
        peers=[
            f"{RUN}/{system}/mace_{size}.nc"
            for system in config["systems"]
            for size in MACE
        ],
        learning=[
            path
            for system in config["systems"]
            for learned in (rules.density_model.output, rules.energy_model.output)
            for path in expand(
                of_every_member(learned.learning), system=system, allow_missing=True
            )
        ],
    output:
        table=f"{RUN}/peers.csv",
    log:
        f"{RUN}/logs/peers.log",
    benchmark:
        f"{RUN}/benchmarks/peers.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        systems=list(config["systems"]),
        method_version=method_version("densnet.report.peer_table"),
    message:
        "peers of {params.systems}"
    shell:
        "densnet peer table --system {params.systems} --evaluation {input.evaluation} --peer {input.peers} "
        "--training-log {input.learning} --output {output.table} 2>&1 | tee -i {log} >&2"
