rule comparison:
    input:
        spectrum=of("spectrum"),
        peer=of("peer_spectrum"),
        user_files=lambda wildcards: user_files(wildcards, "fundamentals", "jcamp"),
    output:
        comparison=f"{SYSTEM}/comparison.nc",
    params:
        peer=lambda wildcards, input: f"--peer {input.peer}" if input.peer else "",
        experiment=experiment,
        settings=settings_of("comparison"),
    message:
        "{wildcards.system}: comparing the spectrum with experiment and peer"
    shell:
        "densnet compare --spectrum {input.spectrum} {params.peer} {params.experiment} {params.settings} "
        "--output {output.comparison} 2>&1 | tee -i {log} >&2"
