# Dynamics of a family against the length of the chain: whether chains held together, spectra, torsion angles.
rule chains:
    input:
        geometries=of_lengths("geometries"),
        trajectories=of_lengths("trajectory"),
        spectra=of_lengths("spectrum"),
        assignments=of_lengths("assignment"),
        labels=of_training("labels"),
        harmonic=of_lengths("harmonic"),
        harmonic_psi4=of_lengths("harmonic_psi4"),
    output:
        table=f"{SYSTEM}/chains.nc",
        csv=f"{SYSTEM}/chains.csv",
        figures=drawn("chains"),
    params:
        folder=f"{SYSTEM}/figures",
        harmonic=files_as(harmonic="harmonic harmonic_psi4"),
    message:
        "{wildcards.system}: dynamics and spectra against the length of the chain"
    shell:
        "densnet chains --name {wildcards.system} --geometries {input.geometries:q} --trajectories {input.trajectories:q} "
        "--spectra {input.spectra:q} --assignments {input.assignments:q} --labels {input.labels:q} {params.harmonic} "
        "--output {output.table} --csv {output.csv} --figures {params.folder} 2>&1 | tee -i {log} >&2"
