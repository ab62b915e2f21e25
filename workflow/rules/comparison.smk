rule comparison:
    input:
        spectrum=of("spectrum"),
        peers=of("peer_spectrum"),
        user_files=lambda wildcards: user_files(wildcards, "fundamentals", "jcamp"),
    output:
        comparison=f"{SYSTEM}/comparison.nc",
    params:
        peers=files_as(peer="peers"),
        experiment=experiment,
        settings=settings_of("comparison"),
    message:
        "{wildcards.system}: comparing the spectrum with experiment and other potentials"
    shell:
        "densnet compare --spectrum {input.spectrum:q} {params.peers} {params.experiment} {params.settings} "
        "--output {output.comparison} 2>&1 | tee -i {log} >&2"
