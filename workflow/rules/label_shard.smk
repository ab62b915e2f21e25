rule label_shard:
    input:
        geometries=labelled_frames,
    output:
        shard=f"{SYSTEM}/shards/{{shard}}.nc",
    log:
        f"{SYSTEM}/logs/label_shard/{{shard}}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/label_shard/{{shard}}.tsv"
    # The longest first, for nobody likes to wait for the last one alone.
    priority: longest_first(80)
    conda:
        "../../envs/psi4.yaml"
    # Psi4 is fastest as one process a core.
    threads: 1
    resources:
        amount=needed("label_shard", "amount"),
        size=needed("label_shard", "size"),
        mem_mb=needed("label_shard", "mem_mb"),
        runtime=needed("label_shard", "runtime"),
    params:
        shards=shards,
        level=section("reference", only=LEVEL),
        method_version=method_version("densnet.reference.labels"),
    message:
        "{wildcards.system}: labelling with Psi4, shard {wildcards.shard} of {params.shards}"
    shell:
        "densnet label --geometries {input.geometries} --shard {wildcards.shard} --shards {params.shards} "
        "{params.level} --memory-gib $(({resources.mem_mb} / 3000)) --output {output.shard} 2>&1 | tee -i {log} >&2"
