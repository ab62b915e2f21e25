rule spectrum:
    input:
        trajectory=of("trajectory", rules.trajectory.output.trajectory),
    output:
        spectrum=f"{SYSTEM}/spectrum.nc",
    log:
        f"{SYSTEM}/logs/spectrum.log",
    benchmark:
        f"{SYSTEM}/benchmarks/spectrum.tsv"
    priority: 20
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=section("spectrum"),
        method_version=method_version("densnet.spectra.infrared"),
    message:
        "{wildcards.system}: infrared spectrum"
    shell:
        "densnet spectrum --trajectory {input.trajectory} {params.settings} "
        "--output {output.spectrum} 2>&1 | tee -i {log} >&2"


use rule spectrum as peer_spectrum with:
    input:
        trajectory=of("peer_trajectory", rules.peer_trajectory.output.trajectory),
    output:
        spectrum=f"{SYSTEM}/spectrum_{{potential}}.nc",
    log:
        f"{SYSTEM}/logs/peer_spectrum/{{potential}}.log",
    benchmark:
        f"{SYSTEM}/benchmarks/peer_spectrum/{{potential}}.tsv"
    message:
        "{wildcards.system}: infrared spectrum of {wildcards.potential}"
