/* The chain over many blocks in one call, for the Python importer. */
#ifndef ZKM_HOST_CHAIN_H
#define ZKM_HOST_CHAIN_H

#include <stddef.h>

#include "chain.h"

/* Goes up when what follows takes or gives anything else: prover/kernels/native.py knows one number only. */
#define ZKM_HOST_CHAIN_VERSION 1

uint32_t zkm_host_chain_version(void);

/* Takes `count` blocks into the chain. `blocks`: eight elements 0..p-1 each; `roles`: a zkm_role each; `out`: the chain
 * value after each. Nothing is checked. */
void zkm_host_chain(
    uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint32_t *blocks, const uint8_t *roles, size_t count, uint32_t *out
);

#endif
