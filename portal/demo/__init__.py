"""The demo: seed data, and the processes that make up a whole portal beside a Slurm sandbox."""
