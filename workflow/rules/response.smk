# How the density answers an electric field: polarizabilities along dynamics, and Raman spectra.
rule responses:
    input:
        labels=of("labels"),
    output:
        responses=f"{SYSTEM}/responses.nc",
    params:
        settings=settings_of("responses"),
    message:
        "{wildcards.system}: response of the densities to a field"
    shell:
        "densnet response labels --labels {input.labels:q} {params.settings} --processes {threads} "
        "--output {output.responses} 2>&1 | tee -i {log} >&2"


rule response_model:
    input:
        responses=of("responses"),
        model=of(TRAINED, "model"),
    output:
        model=f"{SYSTEM}/response.pt",
        learning=f"{SYSTEM}/response.csv",
    params:
        settings=model("response_model"),
        processes=one_for_each_gpu,
    message:
        "{wildcards.system}: training the model of the response"
    shell:
        "densnet train response --responses {input.responses:q} --model {input.model:q} {params.settings} "
        "--threads {threads} --processes {params.processes} --log {output.learning} --output {output.model} 2>&1 "
        "| tee -i {log} >&2"


rule response_errors:
    input:
        responses=of("responses"),
        model=of("response_model", "model"),
    output:
        errors=f"{SYSTEM}/response_errors.json",
    message:
        "{wildcards.system}: errors of response and polarizability on the test frames"
    shell:
        "densnet response errors --responses {input.responses:q} --model {input.model:q} --threads {threads} "
        "--output {output.errors} 2>&1 | tee -i {log} >&2"


use rule spectrum as raman with:
    output:
        spectrum=f"{SYSTEM}/raman.nc",
    params:
        settings=settings_of("raman", raman=True),
    message:
        "{wildcards.system}: Raman spectrum"


rule raman_comparison:
    input:
        spectrum=of("raman"),
        user_files=lambda wildcards: user_files(wildcards, "fundamentals", "raman_jcamp"),
    output:
        comparison=f"{SYSTEM}/raman_comparison.nc",
    params:
        experiment=raman_experiment,
        settings=settings_of("raman_comparison"),
    message:
        "{wildcards.system}: comparing the Raman spectrum with experiment"
    shell:
        "densnet compare --spectrum {input.spectrum:q} {params.experiment} {params.settings} "
        "--output {output.comparison} 2>&1 | tee -i {log} >&2"
