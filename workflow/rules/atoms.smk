rule atoms:
    input:
        geometries=of("geometries", rules.geometries.output.geometries),
    output:
        atoms=f"{SYSTEM}/atoms.nc",
    log:
        f"{SYSTEM}/logs/atoms.log",
    benchmark:
        f"{SYSTEM}/benchmarks/atoms.tsv"
    priority: 85
    conda:
        "../../envs/psi4.yaml"
    threads: 1
    resources:
        amount=needed("atoms", "amount"),
        size=needed("atoms", "size"),
        mem_mb=needed("atoms", "mem_mb"),
        runtime=needed("atoms", "runtime"),
    params:
        level=section("reference", only=LEVEL),
        method_version=method_version("densnet.reference.atoms"),
    message:
        "{wildcards.system}: free atoms with Psi4"
    shell:
        "densnet atoms --geometries {input.geometries} {params.level} --memory-gib $(({resources.mem_mb} / 3000)) "
        "--output {output.atoms} 2>&1 | tee -i {log} >&2"
