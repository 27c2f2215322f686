/* The modes of bench that need a network with a delay; tools/bench_race.bash makes it. */
#ifndef BENCH_RACE_H
#define BENCH_RACE_H

#include <stddef.h>

/* Runs `mode` with `count` connections to `name` and `port`; returns the exit status. */
int bench_race(const char *mode, size_t count, const char *name, const char *port);

#endif
