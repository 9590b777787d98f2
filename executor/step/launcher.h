/*
 * launcher.h - `orch-step serve`: a small process that does little but fork supervisors.
 */
#ifndef EXECUTOR_STEP_LAUNCHER_H
#define EXECUTOR_STEP_LAUNCHER_H

#include "base/err.h"

/* Serves the engine on a SOCK_SEQPACKET socket until that is closed, then ends the process; the
 * supervisors go on. Returns only where it could not begin: the caller says why and exits. */
bool launcher_serve(int sock, struct err *err) MUST_CHECK;

#endif
