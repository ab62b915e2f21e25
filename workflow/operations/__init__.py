"""What runs beside the pipeline: costs, plan, critical path, damage of a kill, Slurm's own checks."""
