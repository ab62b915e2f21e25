rule comparison:
    input:
        spectrum=of("spectrum", rules.spectrum.output.spectrum),
        peer=of("peer_spectrum", rules.peer_spectrum.output.spectrum) if PEER else [],
        user_files=lambda wildcards: user_files(wildcards, "fundamentals", "jcamp"),
    output:
        comparison=f"{SYSTEM}/comparison.nc",
    log:
        f"{SYSTEM}/logs/comparison.log",
    benchmark:
        f"{SYSTEM}/benchmarks/comparison.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        peer=lambda wildcards, input: f"--peer {input.peer}" if PEER else "",
        experiment=experiment,
        settings=section("comparison"),
        method_version=method_version("densnet.spectra.compare"),
    message:
        "{wildcards.system}: comparing the spectrum with experiment and peer"
    shell:
        "densnet compare --spectrum {input.spectrum} {params.peer} {params.experiment} {params.settings} "
        "--output {output.comparison} 2>&1 | tee -i {log} >&2"
