"""Labels in the formats of other programs: a file each, named by what it writes."""
