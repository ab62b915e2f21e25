rule labels:
    input:
        shards=of_shards(rules.label_shard.output.shard),
        geometries=labelled_frames,
        atoms=of("atoms", rules.atoms.output.atoms),
        basis_files=basis_files,
    output:
        labels=f"{SYSTEM}/labels.nc",
    log:
        f"{SYSTEM}/logs/labels.log",
    benchmark:
        f"{SYSTEM}/benchmarks/labels.tsv"
    priority: 70
    conda:
        "../../envs/densnet.yaml"
    threads: 4
    resources:
        amount=needed("labels", "amount"),
        size=needed("labels", "size"),
        mem_mb=needed("labels", "mem_mb"),
        runtime=needed("labels", "runtime"),
    params:
        settings=fit_settings,
        method_version=method_version("densnet.fitting.fitted_labels"),
    message:
        "{wildcards.system}: fitting the densities"
    shell:
        "densnet fit --shards {input.shards} --geometries {input.geometries} --atoms {input.atoms} "
        "{params.settings} --processes {threads} --output {output.labels} 2>&1 | tee -i {log} >&2"
