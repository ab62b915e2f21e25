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
        raman=of("raman"),
        raman_comparison=of("raman_comparison"),
        ladder=of("validation", test="ladder"),
        peer_ladders=of("peer_validation", test="ladder"),
        robustness=of("validation", test="robustness"),
        peer_robustness=of("peer_validation", test="robustness"),
    output:
        figures=drawn("system", "assignment", "benchmarks", *SHOWN),
    params:
        peer_trajectories=files_as(peer_trajectory="peer_trajectories"),
        peer_spectra=files_as(peer_spectrum="peer_spectra"),
        harmonic=files_as(harmonic="harmonic harmonic_psi4 peer_harmonic"),
        raman=files_as(raman="raman", raman_comparison="raman_comparison"),
        tests=test_files,
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
