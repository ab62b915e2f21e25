rule geometries:
    input:
        user_files=lambda wildcards: user_files(wildcards, "xyz"),
    output:
        geometries=f"{SYSTEM}/geometries.nc",
    log:
        f"{SYSTEM}/logs/geometries.log",
    benchmark:
        f"{SYSTEM}/benchmarks/geometries.tsv"
    priority: 90
    conda:
        "../../envs/densnet.yaml"
    threads: 2
    resources:
        amount=needed("geometries", "amount"),
        size=needed("geometries", "size"),
        mem_mb=needed("geometries", "mem_mb"),
        runtime=needed("geometries", "runtime"),
    params:
        molecule=molecule,
        settings=section("sampling"),
        method_version=method_version("densnet.reference.sampling"),
    message:
        "{wildcards.system}: sampling geometries with GFN2-xTB"
    shell:
        "densnet sample {params.molecule} {params.settings} --processes {threads} "
        "--output {output.geometries} 2>&1 | tee -i {log} >&2"
