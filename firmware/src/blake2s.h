/* BLAKE2s-256 (RFC 7693) with a key and a personalisation, as docs/protocol.md uses it. */
#ifndef ZKM_BLAKE2S_H
#define ZKM_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#define ZKM_BLAKE2S_BYTES 32
#define ZKM_BLAKE2S_BLOCK 64
#define ZKM_BLAKE2S_PERSON 8

typedef struct {
    uint32_t hash[8];
    uint64_t count; /* bytes compressed so far */
    uint32_t used;  /* bytes waiting in block, 0..64 */
    uint8_t block[ZKM_BLAKE2S_BLOCK];
} zkm_blake2s;

/* key_size 0..32 (key may be NULL if 0); person: exactly 8 bytes. */
void zkm_blake2s_init(zkm_blake2s *state, const uint8_t *key, size_t key_size,
                      const uint8_t person[ZKM_BLAKE2S_PERSON]);
void zkm_blake2s_update(zkm_blake2s *state, const uint8_t *data, size_t size);

/* Wipes the state. */
void zkm_blake2s_final(zkm_blake2s *state, uint8_t digest[ZKM_BLAKE2S_BYTES]);

#endif
