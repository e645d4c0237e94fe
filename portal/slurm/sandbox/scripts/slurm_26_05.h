/*
 * Lets the unmodified pyslurm 25.11 sources compile against the headers of Slurm 26.05.
 *
 * 26.05 takes a slurm_step_id_t by value where 25.11 took a job id; its own header bridges that when
 * SLURM_BACKWARD_COMPAT is defined. What the header does not bridge follows below.
 * Given to the compiler with -include, so that it comes before every other header.
 */
#define SLURM_BACKWARD_COMPAT 1
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(26, 5, 0)
#define slurm_free_ctl_conf slurm_free_conf
/* The error is gone in 26.05 and never returned; pyslurm only hands its number on as a name. */
#define ESLURM_ERROR_ON_DESC_TO_RECORD_COPY SLURM_ERROR
#endif
