/* The commitment chain over the log: docs/protocol.md, sections 3 and 4; the same as circuits/chain.py. */
#ifndef ZKM_CHAIN_H
#define ZKM_CHAIN_H

#include <stdint.h>

#define ZKM_CHAIN_ELEMENTS 8
#define ZKM_BLOCK_ELEMENTS 8
#define ZKM_DIGEST_BYTES 32
#define ZKM_SECRET_BYTES 32

/* The order of the table of their constants. */
typedef enum { ZKM_ROLE_GENESIS, ZKM_ROLE_DATA, ZKM_ROLE_CLOSING, ZKM_ROLE_STATE } zkm_role;

/* Takes one block into the chain. All elements 0..p-1, before and after. */
void zkm_chain_absorb(uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint32_t block[ZKM_BLOCK_ELEMENTS], zkm_role role);

/* The chain value of an epoch's checkpoint 0, from the digest of what it declares. */
void zkm_chain_genesis(uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint8_t digest[ZKM_DIGEST_BYTES]);

/* The closing block of window `index` of `epoch`: eight elements 0..p-1. */
void zkm_chain_salt(uint32_t salt[ZKM_BLOCK_ELEMENTS], const uint8_t secret[ZKM_SECRET_BYTES], uint32_t epoch,
                    uint32_t index);

/* Eight elements as 32 bytes, little-endian. */
void zkm_chain_bytes(uint8_t bytes[4 * ZKM_CHAIN_ELEMENTS], const uint32_t elements[ZKM_CHAIN_ELEMENTS]);

#endif
