"""``densnet validate``: what a potential is worth beyond its test errors, whatever the potential."""
