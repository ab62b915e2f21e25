rule figures:
    input:
        metrics=rules.metrics.output.metrics,
        labels=rules.labels.output.labels,
        evaluation=rules.evaluation.output.evaluation,
        density_learning=of(
            "density_model", of_every_member(rules.density_model.output.learning)[0]
        ),
        energy_learning=of(
            "energy_model", of_every_member(rules.energy_model.output.learning)[0]
        ),
        trajectory=rules.trajectory.output.trajectory,
        spectrum=rules.spectrum.output.spectrum,
        peer_trajectories=of_every_potential(rules.peer_trajectory.output.trajectory),
        peer_spectra=of_every_potential(rules.peer_spectrum.output.spectrum),
        comparison=rules.comparison.output.comparison,
        assignment=rules.assignment.output.assignment,
        harmonic=if_among(HARMONIC, "harmonic", rules.harmonic.output.harmonic),
        harmonic_psi4=if_among(
            HARMONIC_PSI4, "harmonic_psi4", rules.harmonic_psi4.output.harmonic
        ),
    output:
        figures=expand(
            f"{SYSTEM}/figures/{{figure}}.png", figure=FIGURES, allow_missing=True
        ),
    log:
        f"{SYSTEM}/logs/figures.log",
    benchmark:
        f"{SYSTEM}/benchmarks/figures.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        peers=lambda wildcards, input: (
            f"--peer-trajectory {input.peer_trajectories} --peer-spectrum {input.peer_spectra}"
            if POTENTIALS
            else ""
        ),
        harmonic=lambda wildcards, input: (
            f"--harmonic {input.harmonic} {input.harmonic_psi4}"
            if input.harmonic
            else ""
        ),
        benchmarks=f"{SYSTEM}/benchmarks",
        folder=f"{SYSTEM}/figures",
        method_version=method_version("densnet.report"),
    message:
        "{wildcards.system}: figures"
    shell:
        "densnet figures --name {wildcards.system} --metrics {input.metrics} --labels {input.labels} "
        "--evaluation {input.evaluation} --density-log {input.density_learning} "
        "--energy-log {input.energy_learning} --trajectory {input.trajectory} --spectrum {input.spectrum} "
        "{params.peers} --comparison {input.comparison} --assignment {input.assignment} {params.harmonic} "
        "--benchmarks {params.benchmarks} "
        "--output {params.folder} 2>&1 | tee -i {log} >&2"
