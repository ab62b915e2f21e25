# Frames of a length that is not trained on, from dynamics with the model, to be labelled and judged by. Once taken they
# stay, so that another training does not ask for new labels: delete them for new ones.
rule frames:
    input:
        trajectory=ancient(of("trajectory")),
        geometries=of("geometries"),
    output:
        frames=f"{SYSTEM}/frames.nc",
    params:
        n_test=unseen,
    message:
        "{wildcards.system}: test frames from the model's dynamics"
    shell:
        "densnet frames --trajectory {input.trajectory:q} --geometries {input.geometries:q} --n-test {params.n_test} "
        "--output {output.frames} 2>&1 | tee -i {log} >&2"
