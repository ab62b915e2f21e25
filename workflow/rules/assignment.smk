# Which motions the lines of the spectrum are made of, and of a chain how much of them is in which unit.
rule assignment:
    input:
        trajectory=of("trajectory", rules.trajectory.output.trajectory),
        geometries=of("geometries", rules.geometries.output.geometries),
        spectrum=of("spectrum", rules.spectrum.output.spectrum),
    output:
        assignment=f"{SYSTEM}/assignment.nc",
    log:
        f"{SYSTEM}/logs/assignment.log",
    benchmark:
        f"{SYSTEM}/benchmarks/assignment.tsv"
    priority: longest_first(20)
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("assignment", "amount"),
        size=needed("assignment", "size"),
        mem_mb=needed("assignment", "mem_mb"),
        runtime=needed("assignment", "runtime"),
    params:
        settings=section("spectrum"),
        method_version=method_version("densnet.spectra.assignment"),
    message:
        "{wildcards.system}: motions of the lines"
    shell:
        "densnet assign --trajectory {input.trajectory} --geometries {input.geometries} --spectrum {input.spectrum} "
        "{params.settings} --output {output.assignment} 2>&1 | tee -i {log} >&2"
