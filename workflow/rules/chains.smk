# Dynamics of a family against the length of the chain: whether chains held together, spectra, torsion angles.
rule chains:
    input:
        geometries=of_lengths("geometries", rules.geometries.output.geometries),
        trajectories=of_lengths("trajectory", rules.trajectory.output.trajectory),
        spectra=of_lengths("spectrum", rules.spectrum.output.spectrum),
        assignments=of_lengths("assignment", rules.assignment.output.assignment),
        labels=of_training("labels", rules.labels.output.labels),
        harmonic=of_lengths("harmonic", rules.harmonic.output.harmonic, HARMONIC),
        harmonic_psi4=of_lengths(
            "harmonic_psi4", rules.harmonic_psi4.output.harmonic, HARMONIC_PSI4
        ),
    output:
        table=f"{SYSTEM}/chains.nc",
        csv=f"{SYSTEM}/chains.csv",
        figures=expand(
            f"{SYSTEM}/figures/{{figure}}.png",
            figure=figures_of("chains"),
            allow_missing=True,
        ),
    log:
        f"{SYSTEM}/logs/chains.log",
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        folder=f"{SYSTEM}/figures",
        harmonic=lambda wildcards, input: (
            f"--harmonic {input.harmonic} {input.harmonic_psi4}"
            if input.harmonic
            else ""
        ),
        method_version=method_version("densnet.report.chains"),
    message:
        "{wildcards.system}: dynamics and spectra against the length of the chain"
    shell:
        "densnet chains --name {wildcards.system} --geometries {input.geometries} --trajectories {input.trajectories} "
        "--spectra {input.spectra} --assignments {input.assignments} --labels {input.labels} {params.harmonic} "
        "--output {output.table} --csv {output.csv} --figures {params.folder} 2>&1 | tee -i {log} >&2"
