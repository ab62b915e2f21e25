rule figures:
    input:
        metrics=of("metrics"),
        labels=of("labels"),
        evaluation=of("evaluation"),
        density_learning=of("density_model", "learning", member=1),
        energy_learning=of("energy_model", "learning", member=1),
        trajectory=of("trajectory"),
        spectrum=of("spectrum"),
        peer_trajectory=of("peer_trajectory"),
        peer_spectrum=of("peer_spectrum"),
        comparison=of("comparison"),
        assignment=of("assignment"),
        harmonic=of("harmonic"),
        harmonic_psi4=of("harmonic_psi4"),
    output:
        figures=expand(f"{SYSTEM}/figures/{{figure}}.png", figure=FIGURES, allow_missing=True),
    params:
        peer=lambda wildcards, input: (
            f"--peer-trajectory {input.peer_trajectory} --peer-spectrum {input.peer_spectrum}"
            if input.peer_trajectory
            else ""
        ),
        harmonic=lambda wildcards, input: (
            f"--harmonic {input.harmonic} {input.harmonic_psi4}" if input.harmonic else ""
        ),
        benchmarks=f"{SYSTEM}/benchmarks",
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: figures"
    shell:
        "densnet figures --name {wildcards.system} --metrics {input.metrics} --labels {input.labels} "
        "--evaluation {input.evaluation} --density-log {input.density_learning} "
        "--energy-log {input.energy_learning} --trajectory {input.trajectory} --spectrum {input.spectrum} "
        "{params.peer} --comparison {input.comparison} --assignment {input.assignment} {params.harmonic} "
        "--benchmarks {params.benchmarks} "
        "--output {params.folder} 2>&1 | tee -i {log} >&2"
