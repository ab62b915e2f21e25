# Molecules of revised MD17: their frames instead of sampled ones, errors on all of the benchmark's test frames; and where
# a file of their orbitals lies beside the benchmark's, labels from it instead of from Psi4.


ruleorder: benchmark_geometries > geometries
ruleorder: benchmark_labels > label_shard


rule benchmark_geometries:
    input:
        train=lambda wildcards: benchmark_file(wildcards, "train"),
        test=lambda wildcards: benchmark_file(wildcards, "test"),
    output:
        geometries=f"{SYSTEM}/geometries.nc",
    wildcard_constraints:
        system=any_place_of(RMD17),
    params:
        molecule=benchmark_molecule,
        sizes=settings_of("benchmark_geometries"),
    message:
        "{wildcards.system}: frames of revised MD17"
    shell:
        "densnet benchmark geometries {params.molecule} {params.sizes} "
        "--output {output.geometries} 2>&1 | tee -i {log} >&2"


rule benchmark_labels:
    input:
        geometries=of("geometries"),
        atoms=of("atoms"),
        orbitals=lambda wildcards: given_orbitals(system(wildcards)),
    output:
        shard=f"{SYSTEM}/shards/{{shard}}.nc",
    wildcard_constraints:
        system=any_place_of(WITH_ORBITALS),
        shard="0",
    message:
        "{wildcards.system}: labels from given orbitals"
    shell:
        "densnet benchmark labels --orbitals {input.orbitals:q} --geometries {input.geometries:q} "
        "--atoms {input.atoms:q} --output {output.shard} 2>&1 | tee -i {log} >&2"


rule benchmark_errors:
    input:
        model=of(TRAINED, "model"),
        test=lambda wildcards: benchmark_file(wildcards, "test"),
    output:
        errors=f"{SYSTEM}/rmd17.json",
    wildcard_constraints:
        system=any_place_of(RMD17),
    params:
        molecule=benchmark_molecule,
    message:
        "{wildcards.system}: errors on all test frames of revised MD17"
    shell:
        "densnet benchmark errors --model {input.model:q} {params.molecule} --threads {threads} "
        "--output {output.errors} 2>&1 | tee -i {log} >&2"


rule benchmark_table:
    input:
        errors=of_all("benchmark_errors"),
    output:
        table=f"{RUN}/rmd17.csv",
    params:
        systems=RMD17,
    message:
        "errors of {params.systems} beside published ones"
    shell:
        "densnet benchmark table --system {params.systems} --errors {input.errors:q} --output {output.table} "
        "2>&1 | tee -i {log} >&2"
