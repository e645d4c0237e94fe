"""What still slips through limits that Slurm enforces as it should, each with its bound.

Found by experiment on 22.05, 24.11 and 26.05 (slurm-facts 2 and 12), and said plainly, so that nobody takes a limit for
more than it is.
"""

from __future__ import annotations

from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _

SLIPS: tuple[Sentence, ...] = (
    Sentence(
        _(
            "Slurm floors used time to whole minutes before it starts a job: an account can end up to 2 GPU-minutes "
            "above its limit."
        )
    ),
    Sentence(
        _(
            "A running job is never ended by its budget. One whose time limit an administrator prolongs goes on, by "
            "added minutes × GPUs; the ledger charges it."
        )
    ),
    Sentence(
        _(
            "slurmctld saves its counters every 5 minutes: where it is killed, at most 5 minutes × the cluster's GPUs "
            "of use are missing there, until the portal tightens the limits, seconds after it is back."
        )
    ),
    Sentence(
        _(
            "A node taken with --exclusive is charged with all its GPUs. A job with 1 GPU that asks for all CPUs of a "
            "node, or for --exclusive=user, keeps the node's other GPUs from others and is charged 1."
        )
    ),
    Sentence(
        _(
            "A limit on a GPU type does not bind jobs that name no type. The portal therefore limits all GPUs "
            "together; which type a job gets is decided by the pool's partitions alone."
        )
    ),
    Sentence(
        _(
            "A GPU budget does not bind jobs without a GPU. MinTRESPerJob keeps them out of the pools; partitions "
            "outside the pools stay open to whoever may use them."
        )
    ),
    Sentence(
        _(
            "slurmctld counts a part of resized jobs twice, and on 26.05 joint (het) jobs far too high: that makes a "
            "limit too strict, never too wide, until nothing runs in the account and the portal corrects it."
        )
    ),
)
