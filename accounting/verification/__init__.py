"""Our sums held against Slurm's own, and what explains a difference."""
