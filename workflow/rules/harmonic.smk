# Harmonic frequencies and intensities by the model; by Psi4, in shards, where config.yaml names the system.
rule harmonic:
    input:
        model=of("energy_model", MODEL),
        user_files=lambda wildcards: user_files(wildcards, "xyz"),
    output:
        harmonic=f"{SYSTEM}/harmonic.nc",
    log:
        f"{SYSTEM}/logs/harmonic.log",
    benchmark:
        f"{SYSTEM}/benchmarks/harmonic.tsv"
    priority: 40
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("harmonic", "amount"),
        size=needed("harmonic", "size"),
        mem_mb=needed("harmonic", "mem_mb"),
        runtime=needed("harmonic", "runtime"),
    params:
        molecule=lambda wildcards: molecule(wildcards, without=["multiplicity"]),
        method_version=method_version("densnet.spectra.harmonic"),
    message:
        "{wildcards.system}: harmonic frequencies by the model"
    shell:
        "densnet harmonic {params.molecule} --model {input.model} --output {output.harmonic} 2>&1 | tee -i {log} >&2"


# From the model's minimum, so that both are of the same conformer. Once made it stays, so that another training does not
# ask for new gradients: delete it for a new one.
rule displaced:
    input:
        geometry=ancient(f"{SYSTEM}/harmonic.nc"),
    output:
        displaced=f"{SYSTEM}/harmonic_psi4/displaced.nc",
    log:
        f"{SYSTEM}/logs/displaced.log",
    benchmark:
        f"{SYSTEM}/benchmarks/displaced.tsv"
    priority: 40
    conda:
        "../../envs/psi4.yaml"
    threads: 1
    resources:
        amount=needed("displaced", "amount"),
        size=needed("displaced", "size"),
        mem_mb=needed("displaced", "mem_mb"),
        runtime=needed("displaced", "runtime"),
    params:
        level=differences,
        method_version=method_version("densnet.spectra.harmonic"),
    message:
        "{wildcards.system}: relaxing with Psi4"
    shell:
        "densnet displace --geometry {input.geometry} {params.level} --memory-gib $(({resources.mem_mb} / 3000)) "
        "--output {output.displaced} 2>&1 | tee -i {log} >&2"


use rule label_shard as displaced_shard with:
    input:
        geometries=rules.displaced.output.displaced,
    output:
        shard=f"{SYSTEM}/harmonic_psi4/{{shard}}.nc",
    log:
        f"{SYSTEM}/logs/displaced_shard/{{shard}}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/displaced_shard/{{shard}}.tsv"
    resources:
        amount=needed("displaced_shard", "amount"),
        size=needed("displaced_shard", "size"),
        mem_mb=needed("displaced_shard", "mem_mb"),
        runtime=needed("displaced_shard", "runtime"),
    params:
        shards=config["reference"]["shards"],
        level=differences,
        method_version=method_version("densnet.reference.labels"),
    message:
        "{wildcards.system}: forces of displaced geometries with Psi4, shard {wildcards.shard} of {params.shards}"


rule harmonic_psi4:
    input:
        displaced=rules.displaced.output.displaced,
        shards=expand(
            rules.displaced_shard.output.shard,
            shard=range(config["reference"]["shards"]),
            allow_missing=True,
        ),
    output:
        harmonic=f"{SYSTEM}/harmonic_psi4.nc",
    log:
        f"{SYSTEM}/logs/harmonic_psi4.log",
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        method_version=method_version("densnet.spectra.harmonic"),
    message:
        "{wildcards.system}: harmonic frequencies by Psi4"
    shell:
        "densnet modes --displacements {input.displaced} --shards {input.shards} --output {output.harmonic} 2>&1 "
        "| tee -i {log} >&2"
