# The fitting basis that all lengths of a family share, that of the length which "basis_from" names; or that of the
# sampled frames, for those that active learning finds.
rule fit_basis:
    input:
        labels=of("labels"),
    output:
        basis=f"{SYSTEM}/fit_basis.json",
    message:
        "{wildcards.system}: taking out the fitting basis"
    shell:
        "densnet basis extract --labels {input.labels:q} --output {output.basis} 2>&1 | tee -i {log} >&2"
