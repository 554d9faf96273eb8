#ifndef CLINUX_CONFINE_H
#define CLINUX_CONFINE_H

// For a process that is to act in an agent's network with no more than an agent has.

#include <stdint.h>

/// Moves the calling thread into the network namespace at `network`, then gives up for the whole process: every capability and
/// the way back to them, all groups, root (for `id`), new privileges, being traced, core dumps, writing files, and more than 128
/// descriptors. It ends itself after two minutes whatever happens.
/// Returns 0, or a negative errno; after a failure the process may be half confined and must end.
int clconfine_enter(const char *network, uint32_t id);

#endif
