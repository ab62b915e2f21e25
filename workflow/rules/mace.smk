# MACE on the same frames, in the environment that envs/setup.sh mace makes.
rule mace:
    input:
        labels=of("labels"),
        model=of(TRAINED, "model"),
        foundation=lambda wildcards: config["peers"].get("mace_foundation") if wildcards.size == FINE_TUNED else [],
    output:
        peer=f"{SYSTEM}/mace_{{size}}.nc",
    wildcard_constraints:
        size="|".join(MACE),
    params:
        settings=lambda wildcards: as_options(
            {
                "size": None if wildcards.size == FINE_TUNED else wildcards.size,
                "foundation": config["peers"].get("mace_foundation") if wildcards.size == FINE_TUNED else None,
                "minutes": config["peers"]["mace_minutes"],
                "n_train": lookup(PLACES.config_at(wildcards.system), "energy_model.training.n_train"),
            }
        ),
    message:
        "{wildcards.system}: training MACE, {wildcards.size}"
    shell:
        "densnet peer mace --labels {input.labels:q} --model {input.model:q} {params.settings} --threads {threads} "
        "--output {output.peer} 2>&1 | tee -i {log} >&2"


rule peers:
    input:
        evaluation=of_all("evaluation"),
        peers=of_all("mace"),
        learning=lambda wildcards: [
            path for name in SYSTEMS for model in MODELS for path in files_of(model, "learning", [name])
        ],
    output:
        table=f"{RUN}/peers.csv",
    params:
        systems=list(SYSTEMS),
    message:
        "peers of {params.systems}"
    shell:
        "densnet peer table --system {params.systems} --evaluation {input.evaluation:q} --peer {input.peers:q} "
        "--training-log {input.learning:q} --output {output.table} 2>&1 | tee -i {log} >&2"
