# Which motions the lines of the spectrum are made of, and of a chain how much of them is in which unit.
rule assignment:
    input:
        trajectory=of("trajectory"),
        geometries=of("geometries"),
        spectrum=of("spectrum"),
    output:
        assignment=f"{SYSTEM}/assignment.nc",
    params:
        settings=settings_of("assignment"),
    message:
        "{wildcards.system}: motions of the lines"
    shell:
        "densnet assign --trajectory {input.trajectory:q} --geometries {input.geometries:q} --spectrum {input.spectrum:q} "
        "{params.settings} --output {output.assignment} 2>&1 | tee -i {log} >&2"
