# The fitting basis that all lengths of a family share: that of the length which "basis_from" names.
rule fit_basis:
    input:
        labels=of("labels"),
    output:
        basis=f"{SYSTEM}/fit_basis.json",
    message:
        "{wildcards.system}: fitting basis of all lengths"
    shell:
        "densnet basis extract --labels {input.labels:q} --output {output.basis} 2>&1 | tee -i {log} >&2"
