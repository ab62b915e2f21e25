# Frames of a length that is not trained on, from dynamics with the model, to be labelled and judged by. Once taken they
# stay, so that another training does not ask for new labels: delete them for new ones.
rule frames:
    input:
        trajectory=ancient(of("trajectory", rules.trajectory.output.trajectory)),
        geometries=of("geometries", rules.geometries.output.geometries),
    output:
        frames=f"{SYSTEM}/frames.nc",
    log:
        f"{SYSTEM}/logs/frames.log",
    benchmark:
        f"{SYSTEM}/benchmarks/frames.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        n_test=unseen,
        method_version=method_version("densnet.dynamics.trajectory_frames"),
    message:
        "{wildcards.system}: test frames from the model's dynamics"
    shell:
        "densnet frames --trajectory {input.trajectory} --geometries {input.geometries} --n-test {params.n_test} "
        "--output {output.frames} 2>&1 | tee -i {log} >&2"
