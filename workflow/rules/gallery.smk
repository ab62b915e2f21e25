# All molecules of a run beside experiment: their harmonic lines, and their bands from dynamics.
GIVEN_MODES = {name: path for name in GALLERY if (path := given_file("harmonic_psi4", name))}


rule gallery:
    input:
        comparison=files_of("comparison", names=GALLERY),
        harmonic=files_of("harmonic", names=GALLERY),
        peers=files_of("peer_harmonic", names=GALLERY),
        psi4=files_of("harmonic_psi4", names=[name for name in GALLERY if made_for("harmonic_psi4", name)]),
        given=list(GIVEN_MODES.values()),
    output:
        tables=expand(f"{RUN}/{{file}}", file=["gallery.csv", "gallery_lines.csv", "gallery_remarks.txt"]),
        figure=f"{RUN}/gallery.png",
    params:
        systems=[f"{RUN}/{name}" for name in GALLERY],
        given=with_files("--harmonic", [f"{name}={path}" for name, path in GIVEN_MODES.items()]),
        folder=lambda wildcards, output: Path(output.figure).parent,
    message:
        "{config[run]}: all molecules beside experiment"
    shell:
        "densnet gallery --systems {params.systems:q} {params.given} --output {params.folder} 2>&1 | tee -i {log} >&2"
