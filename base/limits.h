/*
 * limits.h - every bound on what a user, a step or the network may make us hold. Errors name them.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define LIMIT_PIPELINE_FILE (16L << 20) /* bytes of a pipeline file */
#define LIMIT_YAML_DEPTH 64
#define LIMIT_YAML_NODES 4000000L     /* nodes after alias expansion */
#define LIMIT_STEPS 200000            /* steps after expansion */
#define LIMIT_NEEDS 4000000           /* edges */
#define LIMIT_EXPR_LENGTH (64L << 10) /* bytes of one expression */
#define LIMIT_EXPR_DEPTH 100
#define LIMIT_EXPR_NODES 10000
#define LIMIT_VALUE (16L << 20)       /* bytes of one evaluated value */
#define LIMIT_OUTPUT_FILE (4L << 20)  /* ORCH_OUTPUT */
#define LIMIT_OUTPUT_VALUE (1L << 20) /* one value in it */
#define LIMIT_OUTPUT_COUNT 10000
#define LIMIT_METRICS_FILE (64L << 20) /* ORCH_METRICS */
#define LIMIT_METRICS_COUNT 1000000
#define LIMIT_USAGE_FILE (1L << 20) /* samples of one attempt */
#define LIMIT_USAGE_SAMPLES 10000
#define LIMIT_ARTIFACTS 100000            /* files of one attempt */
#define LIMIT_ARTIFACT_NAMES (192L << 20) /* their names and paths, as recorded (JSON) */
#define LIMIT_SPEC (32L << 20)            /* an encoded launch spec */
#define LIMIT_MESSAGE (64L << 10)         /* one message on a control channel */
#define LIMIT_SECRETS 1000
#define LIMIT_SECRET_SIZE (64L << 10)
#define LIMIT_SECRET_MIN 6
#define LIMIT_LOG_DEFAULT (64L << 20) /* log of one attempt unless the step says otherwise */
#define LIMIT_LOG_LINE (16L << 10)    /* a longer line is cut into parts, marked as such */
#define LIMIT_LOST_ATTEMPTS 3         /* lost attempts of a step before it fails */

#endif
