# Molecules of revised MD17: their frames instead of sampled ones, errors on all of the benchmark's test frames; and where
# a file of their orbitals lies beside the benchmark's, labels from it instead of from Psi4.


ruleorder: benchmark_geometries > geometries


rule benchmark_geometries:
    input:
        train=lambda wildcards: benchmark_file(wildcards, "train"),
        test=lambda wildcards: benchmark_file(wildcards, "test"),
    output:
        geometries=f"{SYSTEM}/geometries.nc",
    log:
        f"{SYSTEM}/logs/benchmark_geometries.log",
    benchmark:
        f"{SYSTEM}/benchmarks/benchmark_geometries.tsv"
    wildcard_constraints:
        system=any_place_of(RMD17),
    priority: 90
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        molecule=benchmark_molecule,
        sizes=section("sampling", only=SIZES),
        method_version=method_version("densnet.reference.rmd17"),
    message:
        "{wildcards.system}: frames of revised MD17"
    shell:
        "densnet benchmark geometries {params.molecule} {params.sizes} "
        "--output {output.geometries} 2>&1 | tee -i {log} >&2"


if WITH_ORBITALS:

    ruleorder: benchmark_labels > label_shard

    rule benchmark_labels:
        input:
            geometries=of("geometries", rules.benchmark_geometries.output.geometries),
            atoms=of("atoms", rules.atoms.output.atoms),
            orbitals=lambda wildcards: given_orbitals(system(wildcards)),
        output:
            shard=f"{SYSTEM}/shards/{{shard}}.nc",
        log:
            f"{SYSTEM}/logs/benchmark_labels/{{shard}}.log",
        benchmark:
            f"{SYSTEM}/benchmarks/benchmark_labels/{{shard}}.tsv"
        wildcard_constraints:
            system=any_place_of(WITH_ORBITALS),
            shard="0",
        priority: 80
        conda:
            "../../envs/densnet.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=30,
        params:
            method_version=method_version("densnet.reference.given_orbitals"),
        message:
            "{wildcards.system}: labels from given orbitals"
        shell:
            "densnet benchmark labels --orbitals {input.orbitals:q} --geometries {input.geometries} "
            "--atoms {input.atoms:q} --output {output.shard} 2>&1 | tee -i {log} >&2"


rule benchmark_errors:
    input:
        model=of("energy_model", MODEL),
        test=lambda wildcards: benchmark_file(wildcards, "test"),
    output:
        errors=f"{SYSTEM}/rmd17.json",
    log:
        f"{SYSTEM}/logs/benchmark_errors.log",
    benchmark:
        f"{SYSTEM}/benchmarks/benchmark_errors.tsv"
    wildcard_constraints:
        system=any_place_of(RMD17),
    priority: 40
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        molecule=benchmark_molecule,
        method_version=method_version("densnet.training.benchmark_errors"),
    message:
        "{wildcards.system}: errors on all test frames of revised MD17"
    shell:
        "densnet benchmark errors --model {input.model} {params.molecule} --threads {threads} "
        "--output {output.errors} 2>&1 | tee -i {log} >&2"


rule benchmark_table:
    input:
        errors=expand(rules.benchmark_errors.output.errors, system=RMD17),
    output:
        table=f"{RUN}/rmd17.csv",
    log:
        f"{RUN}/logs/benchmark_table.log",
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        systems=RMD17,
        method_version=method_version("densnet.report.benchmark_table"),
    message:
        "errors of {params.systems} beside published ones"
    shell:
        "densnet benchmark table --system {params.systems} --errors {input.errors} --output {output.table} "
        "2>&1 | tee -i {log} >&2"
