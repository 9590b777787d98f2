/*
 * pool.h - cores and GPUs that a step has for itself. The pool is the host's: each core and each
 * GPU is a file with a lock, in a folder that all launchers of this user share, and a supervisor
 * holds the locks of what its step has, so that whatever dies gives back what it had.
 */
#ifndef EXECUTOR_STEP_POOL_H
#define EXECUTOR_STEP_POOL_H

#include "executor/step/facts.h"

struct pool_grant {
    char cores[1024], gpus[1024]; /* "0,2,5"; "" = none */
    int *fds;                     /* the locks; owned */
    size_t fd_count;
};

/* Adds: cores, gpus, with the amount that the host has. GPUs are those of ORCH_GPUS ("4" or
 * "0,2,3"), else the NVIDIA and AMD devices that there are. */
void pool_facts(struct step_facts *ret);
/* Tries to take what the limits ask for: all or nothing. ERR_BUSY where others hold it: to be
 * called again; ERR_INVALID for an index that the host does not have. Never blocks. */
bool pool_take(const struct step_limits *limits, struct pool_grant *ret,
               struct err *err) MUST_CHECK;
void pool_give(struct pool_grant *grant);
/* NAME=value of the variables that tell the command its devices (CUDA_VISIBLE_DEVICES,
 * ROCR_VISIBLE_DEVICES, ORCH_GPUS, ORCH_CORES): at most 4, owned by the caller. */
size_t pool_env(const struct step_limits *limits, const struct pool_grant *grant, char *ret[4]);

#endif
