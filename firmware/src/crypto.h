/* What the core takes from libsodium; the only file that knows it. */
#ifndef ZKM_CRYPTO_H
#define ZKM_CRYPTO_H

#include "zkmeter.h"

#define ZKM_HASH_BYTES 32
#define ZKM_SIGNATURE_BYTES 64
#define ZKM_STREAM_HEADER_BYTES 24
#define ZKM_STREAM_EXTRA 17 /* tag and authenticator of a message */
#define ZKM_CLOCK_FIELDS 12 /* of a clock command: time and count */
#define ZKM_CLOCK_TAG 16

/* Makes libsodium ready; false if it cannot be, or fails a known answer. */
bool zkm_crypto_start(void);

/* signing_key: seed, then the public key. */
void zkm_make_signing_key(const uint8_t seed[32], uint8_t signing_key[64]);
void zkm_sign(const uint8_t signing_key[64], const uint8_t *message, size_t size, uint8_t signature[64]);

/* BLAKE2b, 32 bytes, no key. */
void zkm_hash(const uint8_t *data, size_t size, uint8_t digest[ZKM_HASH_BYTES]);

/* X25519 with the operator: public_key is for one_time_secret; false if the operator's key is of small order. */
bool zkm_agree(
    const uint8_t one_time_secret[32], const uint8_t operator_key[32], uint8_t public_key[32], uint8_t session_key[32]
);

/* What only a holder of the session's key can put behind the fields of a clock command. */
void zkm_clock_tag(
    const uint8_t session_key[32], const uint8_t fields[ZKM_CLOCK_FIELDS], uint8_t tag[ZKM_CLOCK_TAG]
);

/* Whether it is that tag, in a time that tells nothing of the right one. */
bool zkm_clock_tag_holds(
    const uint8_t session_key[32], const uint8_t fields[ZKM_CLOCK_FIELDS], const uint8_t tag[ZKM_CLOCK_TAG]
);

/* Opens a window's stream; header: random. */
void zkm_stream_open(
    uint8_t stream[52], const uint8_t session_key[32], uint32_t epoch, uint32_t index,
    const uint8_t header[ZKM_STREAM_HEADER_BYTES]
);

/* message: room for 1 tag byte, then size bytes of plain text, then room for 16 bytes; encrypted in place. */
void zkm_stream_push(
    uint8_t stream[52], uint8_t *message, size_t size, const uint8_t *extra, size_t extra_size, bool last
);

#endif
