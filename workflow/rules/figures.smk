rule figures:
    input:
        metrics=of("metrics"),
        labels=of("labels"),
        evaluation=of("evaluation"),
        density_learning=of("density_model", "learning", member=1),
        energy_learning=of("energy_model", "learning", member=1),
        trajectory=of("trajectory"),
        spectrum=of("spectrum"),
        peer_trajectories=of("peer_trajectory"),
        peer_spectra=of("peer_spectrum"),
        comparison=of("comparison"),
        assignment=of("assignment"),
        harmonic=of("harmonic"),
        harmonic_psi4=of("harmonic_psi4"),
        peer_harmonic=of("peer_harmonic"),
        raman=of("raman") if RESPONDING else [],
        raman_comparison=of("raman_comparison") if RESPONDING else [],
        ladder=of("validation", test="ladder") if "ladder" in TESTS else [],
        peer_ladders=of("peer_validation", test="ladder") if "ladder" in TESTS and TESTED else [],
        robustness=of("validation", test="robustness") if "robustness" in TESTS else [],
        peer_robustness=of("peer_validation", test="robustness") if "robustness" in TESTS and TESTED else [],
    output:
        figures=expand(f"{SYSTEM}/figures/{{figure}}.png", figure=FIGURES, allow_missing=True),
    params:
        peer_trajectories=lambda wildcards, input: with_files("--peer-trajectory", input.peer_trajectories),
        peer_spectra=lambda wildcards, input: with_files("--peer-spectrum", input.peer_spectra),
        harmonic=lambda wildcards, input: with_files(
            "--harmonic", input.harmonic, input.harmonic_psi4, input.peer_harmonic
        ),
        raman=lambda wildcards, input: " ".join(
            [with_files("--raman", input.raman), with_files("--raman-comparison", input.raman_comparison)]
        ),
        tests=lambda wildcards, input: " ".join(
            [
                with_files("--tested", ["model", *TESTED]) if TESTS else "",
                with_files("--ladder", input.ladder, input.peer_ladders),
                with_files("--robustness", input.robustness, input.peer_robustness),
            ]
        ),
        benchmarks=f"{SYSTEM}/benchmarks",
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: figures"
    shell:
        "densnet figures --name {wildcards.system} --metrics {input.metrics:q} --labels {input.labels:q} "
        "--evaluation {input.evaluation:q} --density-log {input.density_learning:q} "
        "--energy-log {input.energy_learning:q} --trajectory {input.trajectory:q} --spectrum {input.spectrum:q} "
        "{params.peer_trajectories} {params.peer_spectra} --comparison {input.comparison:q} "
        "--assignment {input.assignment:q} {params.harmonic} {params.raman} {params.tests} --benchmarks {params.benchmarks} "
        "--output {params.folder} 2>&1 | tee -i {log} >&2"
