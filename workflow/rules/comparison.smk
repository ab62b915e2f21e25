rule comparison:
    input:
        spectrum=of("spectrum", rules.spectrum.output.spectrum),
        peers=of(
            "peer_spectrum", of_every_potential(rules.peer_spectrum.output.spectrum)
        ),
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
        peers=lambda wildcards, input: f"--peer {input.peers}" if POTENTIALS else "",
        experiment=experiment,
        settings=section("comparison"),
        method_version=method_version("densnet.spectra.compare"),
    message:
        "{wildcards.system}: comparing the spectrum with experiment and other potentials"
    shell:
        "densnet compare --spectrum {input.spectrum} {params.peers} {params.experiment} {params.settings} "
        "--output {output.comparison} 2>&1 | tee -i {log} >&2"
