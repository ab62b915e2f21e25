"""Labels and densities in the formats of other programs: a file each, named by its format."""
