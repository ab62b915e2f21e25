# Harmonic frequencies and intensities by the model; by Psi4, in shards, where config.yaml names the system.
rule harmonic:
    input:
        model=of(MOVING, "model"),
        user_files=lambda wildcards: user_files(wildcards, "xyz"),
    output:
        harmonic=f"{SYSTEM}/harmonic.nc",
    params:
        molecule=lambda wildcards: molecule(wildcards, without=["multiplicity"]),
        raman="--raman" if RESPONDING else "",
    message:
        "{wildcards.system}: harmonic frequencies by the model"
    shell:
        "densnet harmonic {params.molecule} {params.raman} --model {input.model:q} --output {output.harmonic} 2>&1 "
        "| tee -i {log} >&2"


rule peer_harmonic:
    input:
        geometry=of("harmonic"),
    output:
        harmonic=f"{SYSTEM}/harmonic_{{other}}.nc",
    wildcard_constraints:
        other="|".join(HARMONIC_POTENTIALS) or "none",
    params:
        potential=lambda wildcards: HARMONIC_POTENTIALS[wildcards.other],
    message:
        "{wildcards.system}: harmonic frequencies by {params.potential}"
    shell:
        "densnet harmonic --geometry {input.geometry:q} --potential {params.potential} --output {output.harmonic} 2>&1 "
        "| tee -i {log} >&2"


rule displaced:
    input:
        geometry=ancient(of("harmonic")),
    output:
        displaced=f"{SYSTEM}/harmonic_psi4/displaced.nc",
    params:
        level=DIFFERENCES,
    message:
        "{wildcards.system}: relaxing by quantum chemistry"
    shell:
        "densnet displace --geometry {input.geometry:q} {params.level} --memory-gib $(({resources.mem_mb} / 3000)) "
        "--output {output.displaced} 2>&1 | tee -i {log} >&2"


use rule label_shard as displaced_shard with:
    input:
        geometries=of("displaced"),
    output:
        shard=f"{SYSTEM}/harmonic_psi4/{{shard}}.nc",
    params:
        shards=config["reference"]["shards"],
        level=DIFFERENCES,
    message:
        "{wildcards.system}: forces of displaced geometries, shard {wildcards.shard} of {params.shards}"


rule harmonic_psi4:
    input:
        displaced=of("displaced"),
        shards=of("displaced_shard"),
    output:
        harmonic=f"{SYSTEM}/harmonic_psi4.nc",
    params:
        raman="--raman" if RESPONDING else "",
    message:
        "{wildcards.system}: harmonic frequencies by quantum chemistry"
    shell:
        "densnet modes {params.raman} --displacements {input.displaced:q} --shards {input.shards:q} --output {output.harmonic} 2>&1 "
        "| tee -i {log} >&2"
