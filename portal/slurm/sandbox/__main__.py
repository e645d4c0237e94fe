"""python -m portal.slurm.sandbox, for machines on which Django is not installed."""

import sys

from portal.slurm.sandbox.cli import main

sys.exit(main())
