rule spectrum:
    input:
        trajectory=of("trajectory"),
    output:
        spectrum=f"{SYSTEM}/spectrum.nc",
    params:
        settings=settings_of("spectrum"),
    message:
        "{wildcards.system}: infrared spectrum"
    shell:
        "densnet spectrum --trajectory {input.trajectory:q} {params.settings} "
        "--output {output.spectrum} 2>&1 | tee -i {log} >&2"


use rule spectrum as peer_spectrum with:
    input:
        trajectory=of("peer_trajectory"),
    output:
        spectrum=f"{SYSTEM}/spectrum_{{potential}}.nc",
    message:
        "{wildcards.system}: infrared spectrum of {wildcards.potential}"
