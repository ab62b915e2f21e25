rule atoms:
    input:
        geometries=of("geometries"),
    output:
        atoms=f"{SYSTEM}/atoms.nc",
    params:
        level=settings_of("atoms"),
    message:
        "{wildcards.system}: free atoms"
    shell:
        "densnet atoms --geometries {input.geometries:q} {params.level} --memory-gib $(({resources.mem_mb} / 3000)) "
        "--output {output.atoms} 2>&1 | tee -i {log} >&2"
