rule trajectory:
    input:
        model=of("energy_model", MODEL),
        geometries=of("geometries", rules.geometries.output.geometries),
    output:
        trajectory=f"{SYSTEM}/trajectory.nc",
    log:
        f"{SYSTEM}/logs/trajectory.log",
    benchmark:
        f"{SYSTEM}/benchmarks/trajectory.tsv"
    priority: longest_first(50)
    conda:
        "../../envs/densnet.yaml"
    threads: 4
    resources:
        amount=needed("trajectory", "amount"),
        size=needed("trajectory", "size"),
        mem_mb=needed("trajectory", "mem_mb"),
        runtime=needed("trajectory", "runtime"),
    params:
        settings=section("md", without=["potentials"]),
        method_version=method_version("densnet.dynamics.simulation"),
    message:
        "{wildcards.system}: molecular dynamics with the model"
    shell:
        "densnet md --model {input.model} --geometries {input.geometries} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"


# The same dynamics with other potentials, on the cores that training leaves idle. They need no labels, but wait for
# them: on a machine of few cores they would otherwise stand in the way of what everything else waits for.
rule peer_trajectory:
    input:
        geometries=of("geometries", rules.geometries.output.geometries),
        after=ancient(of("labels", f"{SYSTEM}/labels.nc")),
    output:
        trajectory=f"{SYSTEM}/trajectory_{{potential}}.nc",
    log:
        f"{SYSTEM}/logs/peer_trajectory/{{potential}}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/peer_trajectory/{{potential}}.tsv"
    priority: 30
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        amount=needed("peer_trajectory", "amount"),
        size=needed("peer_trajectory", "size"),
        mem_mb=needed("peer_trajectory", "mem_mb"),
        runtime=needed("peer_trajectory", "runtime"),
    params:
        potential=lambda wildcards: POTENTIALS[wildcards.potential],
        settings=section("md", without=["potentials"]),
        method_version=method_version("densnet.dynamics.simulation"),
    message:
        "{wildcards.system}: molecular dynamics with {params.potential}"
    shell:
        "densnet md --potential {params.potential} --geometries {input.geometries} {params.settings} --threads {threads} "
        "--output {output.trajectory} 2>&1 | tee -i {log} >&2"
