# Errors against the length of the chain: of the run's own model, and of every variant of a sweep beside it.
rule lengths:
    input:
        evaluations=evaluations_of_lengths,
    output:
        table=f"{SYSTEM}/lengths.nc",
        csv=f"{SYSTEM}/lengths.csv",
        figures=drawn("lengths"),
    params:
        folder=f"{SYSTEM}/figures",
    message:
        "{wildcards.system}: errors against the length of the chain"
    shell:
        "densnet lengths --name {wildcards.system} --evaluations {input.evaluations:q} --output {output.table} "
        "--csv {output.csv} --figures {params.folder} 2>&1 | tee -i {log} >&2"
