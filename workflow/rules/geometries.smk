rule geometries:
    input:
        user_files=lambda wildcards: user_files(wildcards, "xyz"),
    output:
        geometries=f"{SYSTEM}/geometries.nc",
    params:
        molecule=molecule,
        settings=settings_of("geometries"),
    message:
        "{wildcards.system}: sampling geometries with GFN2-xTB"
    shell:
        "densnet sample {params.molecule} {params.settings} --processes {threads} "
        "--output {output.geometries} 2>&1 | tee -i {log} >&2"
