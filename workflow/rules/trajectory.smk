rule trajectory:
    input:
        model=of(MOVING, "model"),
        geometries=of("geometries"),
    output:
        trajectory=f"{SYSTEM}/trajectory.nc",
    params:
        settings=settings_of("trajectory", potentials=None),
    message:
        "{wildcards.system}: molecular dynamics with the model"
    shell:
        "densnet md --model {input.model:q} --geometries {input.geometries:q} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"


rule peer_trajectory:
    input:
        geometries=of("geometries"),
        after=ancient(of("labels")),
    output:
        trajectory=f"{SYSTEM}/trajectory_{{potential}}.nc",
    params:
        potential=lambda wildcards: POTENTIALS[wildcards.potential],
        settings=settings_of("trajectory", potentials=None),
    message:
        "{wildcards.system}: molecular dynamics with {params.potential}"
    shell:
        "densnet md --potential {params.potential} --geometries {input.geometries:q} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"
