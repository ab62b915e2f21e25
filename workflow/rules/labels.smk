rule labels:
    input:
        shards=of("label_shard"),
        geometries=labelled_frames,
        atoms=of("atoms"),
        basis_files=basis_files,
    output:
        labels=f"{SYSTEM}/labels.nc",
    params:
        settings=fit_settings,
    message:
        "{wildcards.system}: fitting the densities"
    shell:
        "densnet fit --shards {input.shards:q} --geometries {input.geometries:q} --atoms {input.atoms:q} "
        "{params.settings} --processes {threads} --output {output.labels} 2>&1 | tee -i {log} >&2"
