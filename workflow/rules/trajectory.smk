rule trajectory:
    input:
        model=of(TRAINED, "model"),
        geometries=of("geometries"),
    output:
        trajectory=f"{SYSTEM}/trajectory.nc",
    params:
        settings=settings_of("trajectory", peer=None),
    message:
        "{wildcards.system}: molecular dynamics with the model"
    shell:
        "densnet md --model {input.model} --geometries {input.geometries} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"


rule peer_trajectory:
    input:
        geometries=of("geometries"),
        after=ancient(of("labels")),
    output:
        trajectory=f"{SYSTEM}/trajectory_gfn2.nc",
    params:
        settings=settings_of("trajectory", peer=None),
    message:
        "{wildcards.system}: molecular dynamics with GFN2-xTB"
    shell:
        "densnet md --peer gfn2-xtb --geometries {input.geometries} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"
