/*
 * text.h - small facts about text: units, suggestions, UTF-8, numbers.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "90s", "1.5h", "2h30m", "250ms", "1d", "2w", or a bare "0": milliseconds. Units ms s m h d w; a
 * bare number other than 0 is refused. False where malformed, negative or beyond 1,000 years. */
bool text_duration(const char *text, int64_t *ret_ms);
/* "4GiB", "512MB", "64KiB", "1024" (bytes), decimals allowed: bytes. False where malformed or >=
 * 2^63. */
bool text_size(const char *text, int64_t *ret_bytes);
/* 90061000 -> "1d1h1m1s", 1500 -> "1.5s", 250 -> "250ms"; for people. Returns `out`. */
const char *text_format_duration(int64_t ms, char out[32]);
/* 4294967296 -> "4GiB", 1500000 -> "1.4MiB"; for people. Returns `out`. */
const char *text_format_size(int64_t bytes, char out[32]);

/* Whole-string decimal numbers; false where anything else stands there or it does not fit. */
bool text_int(const char *text, int64_t *ret);
bool text_double(const char *text, double *ret); /* finite only */
/* The shortest decimal that reads back the same ("0.1", "1e+100"; integers in doubles as "3"). */
const char *text_format_double(double value, char out[32]);

/* The candidate nearest to `word` (Damerau-Levenshtein, case ignored), NULL where none is near
 * enough (distance at most 1 for words up to 3 letters, 2 up to 7, else 3). `names` is an array of
 * `count` strings. */
const char *text_nearest(const char *word, const char *const *names, size_t count);

/* The offset of the first invalid UTF-8 byte (overlong, surrogates and > U+10FFFF included), or
 * `len`. */
size_t text_utf8_valid(const char *text, size_t len);
/* Columns for a caret: code points in the first `len` bytes. */
size_t text_utf8_count(const char *text, size_t len);

/* [a-z0-9][a-z0-9._-]* / [A-Za-z0-9_][A-Za-z0-9_-]* / [A-Za-z_][A-Za-z0-9_]* ; at most 128 bytes.
 */
bool text_is_pipeline_name(const char *text);
bool text_is_step_name(const char *text);
bool text_is_param_name(const char *text);

#endif
