# The fitting basis that all lengths of a family share: that of the length which "basis_from" names.
rule fit_basis:
    input:
        labels=of("labels", rules.labels.output.labels),
    output:
        basis=f"{SYSTEM}/fit_basis.json",
    log:
        f"{SYSTEM}/logs/fit_basis.log",
    benchmark:
        f"{SYSTEM}/benchmarks/fit_basis.tsv"
    conda:
        "../../envs/densnet.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "{wildcards.system}: fitting basis of all lengths"
    shell:
        "densnet basis extract --labels {input.labels} --output {output.basis} 2>&1 | tee -i {log} >&2"
