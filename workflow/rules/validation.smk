# Tests of the model where its test frames do not reach, and of other potentials in the same way.
if COMPUTED_REFERENCE:

    rule validation_reference:
        input:
            user_files=lambda wildcards: user_files(wildcards, "xyz"),
        output:
            scan=f"{SYSTEM}/validation/reference.nc",
        params:
            molecule=lambda wildcards: molecule(wildcards, without=["multiplicity"]),
            reference=config["validation"]["reference"],
            level=settings_of("validation_reference"),
        message:
            "{wildcards.system}: minimum and scan of pairs by quantum chemistry"
        shell:
            "densnet validate robustness {params.molecule} --reference {params.reference} {params.level} "
            "--memory-gib $(({resources.mem_mb} / 3000)) --scan-output {output.scan} 2>&1 | tee -i {log} >&2"


def reference_of_a_test(wildcards):
    """Return the file of Psi4 or PySCF where a test compares with it."""
    return of("validation_reference")(wildcards) if wildcards.test in COMPARED and COMPUTED_REFERENCE else []


def labels_of_a_test(wildcards):
    return of("labels")(wildcards) if wildcards.test == "ladder" else []


def test_options(wildcards, input):
    """Return of what, against what and how a test is done, as command line options."""
    if wildcards.test == "ladder":
        return with_files("--labels", input.labels)
    section = PLACES.config_at(wildcards.system)["validation"]
    settings = as_options(section.get(wildcards.test, {}))
    # a reference's file holds the molecule, too
    if input.reference:
        return f"{with_files('--reference', input.reference)} {settings}"
    reference = {"reference": section["reference"]} if wildcards.test in COMPARED else {}
    return f"{molecule(wildcards, without=['multiplicity'])} {as_options(reference)} {settings}"


rule validation:
    input:
        model=of(TRAINED, "model"),
        labels=labels_of_a_test,
        reference=reference_of_a_test,
        user_files=lambda wildcards: user_files(wildcards, "xyz"),
    output:
        findings=f"{SYSTEM}/validation/{{test}}_model.csv",
    params:
        potential=files_as(model="model"),
        options=test_options,
    message:
        "{wildcards.system}: test of {wildcards.test} of the model"
    shell:
        "densnet validate {wildcards.test} {params.potential} {params.options} --threads {threads} "
        "--output {output.findings} 2>&1 | tee -i {log} >&2"


if TESTED:

    use rule validation as peer_validation with:
        input:
            labels=labels_of_a_test,
            reference=reference_of_a_test,
            user_files=lambda wildcards: user_files(wildcards, "xyz"),
            after=ancient(of("labels")),
        output:
            findings=f"{SYSTEM}/validation/{{test}}_{{peer}}.csv",
        params:
            potential=lambda wildcards: f"--calculator {wildcards.peer}",
            options=test_options,
        message:
            "{wildcards.system}: test of {wildcards.test} of {wildcards.peer}"
