rule label_shard:
    input:
        geometries=labelled_frames,
    output:
        shard=f"{SYSTEM}/shards/{{shard}}.nc",
    params:
        shards=shards,
        level=settings_of("label_shard"),
    message:
        "{wildcards.system}: labelling, shard {wildcards.shard} of {params.shards}"
    shell:
        "densnet label --geometries {input.geometries:q} --shard {wildcards.shard} --shards {params.shards} "
        "{params.level} --memory-gib $(({resources.mem_mb} / 3000)) --output {output.shard} 2>&1 | tee -i {log} >&2"
