#include "crypto.h"

#include <sodium.h>
#include <string.h>

#include "bytes.h"
#include "wipe.h"

#define SESSION_LABEL "zkmeter session 1"
#define WINDOW_LABEL "zkmeter window 1"
#define CLOCK_LABEL "zkmeter clock 1"
#define LABEL_BYTES(label) (sizeof(label) - 1)

_Static_assert(sizeof(crypto_secretstream_xchacha20poly1305_state) == 52, "size of a stream's state");
_Static_assert(crypto_secretstream_xchacha20poly1305_HEADERBYTES == ZKM_STREAM_HEADER_BYTES, "size of a header");
_Static_assert(crypto_secretstream_xchacha20poly1305_ABYTES == ZKM_STREAM_EXTRA, "size of tag and authenticator");
_Static_assert(crypto_sign_SECRETKEYBYTES == 64 && crypto_sign_BYTES == ZKM_SIGNATURE_BYTES, "sizes of Ed25519");

/* All randomness comes from the port, which can say that it has none. libsodium wants a source nevertheless, for a
 * guard of its heap functions that nobody here calls; nothing else below draws from it, and if that ever changed it
 * would stop here. */
static bool starting;

static const char *source_name(void)
{
    return "none";
}

static uint32_t refuse_random(void)
{
    sodium_misuse();
    return 0;
}

static void refuse_bytes(void *const out, const size_t size)
{
    memset(out, 0, size);
    if (!starting) {
        sodium_misuse();
    }
}

bool zkm_crypto_start(void)
{
    /* BLAKE2b-256 of nothing */
    static const uint8_t known[ZKM_HASH_BYTES] = {
        0x0e, 0x57, 0x51, 0xc0, 0x26, 0xe5, 0x43, 0xb2, 0xe8, 0xab, 0x2e, 0xb0, 0x60, 0x99, 0xda, 0xa1,
        0xd1, 0xe5, 0xdf, 0x47, 0x77, 0x8f, 0x77, 0x87, 0xfa, 0xab, 0x45, 0xcd, 0xf1, 0x2f, 0xe3, 0xa8,
    };
    static randombytes_implementation source;
    source.implementation_name = source_name;
    source.random = refuse_random;
    source.buf = refuse_bytes;
    uint8_t digest[ZKM_HASH_BYTES];
    starting = true;
    const bool started = randombytes_set_implementation(&source) == 0 && sodium_init() >= 0;
    starting = false;
    if (!started) {
        return false;
    }
    zkm_hash(known, 0, digest);
    return memcmp(digest, known, sizeof digest) == 0;
}

void zkm_make_signing_key(const uint8_t seed[32], uint8_t signing_key[64])
{
    uint8_t public_key[32];
    (void)crypto_sign_seed_keypair(public_key, signing_key, seed);
    ZKM_PUBLIC(signing_key + 32, 32);
}

void zkm_sign(const uint8_t signing_key[64], const uint8_t *message, size_t size, uint8_t signature[64])
{
    (void)crypto_sign_detached(signature, NULL, message, size, signing_key);
    ZKM_PUBLIC(signature, ZKM_SIGNATURE_BYTES);
}

void zkm_hash(const uint8_t *data, size_t size, uint8_t digest[ZKM_HASH_BYTES])
{
    (void)crypto_generichash_blake2b(digest, ZKM_HASH_BYTES, data, size, NULL, 0);
}

bool zkm_agree(
    const uint8_t one_time_secret[32], const uint8_t operator_key[32], uint8_t public_key[32], uint8_t session_key[32]
)
{
    uint8_t input[LABEL_BYTES(SESSION_LABEL) + 3 * 32];
    uint8_t *const shared = input + LABEL_BYTES(SESSION_LABEL);
    memcpy(input, SESSION_LABEL, LABEL_BYTES(SESSION_LABEL));
    (void)crypto_scalarmult_curve25519_base(public_key, one_time_secret);
    ZKM_PUBLIC(public_key, 32);
    int failed = crypto_scalarmult_curve25519(shared, one_time_secret, operator_key);
    ZKM_PUBLIC(&failed, sizeof failed); /* it tells about the operator's key only */
    memcpy(shared + 32, public_key, 32);
    memcpy(shared + 64, operator_key, 32);
    zkm_hash(input, sizeof input, session_key);
    zkm_wipe_memory(input, sizeof input);
    return failed == 0;
}

void zkm_clock_tag(
    const uint8_t session_key[32], const uint8_t fields[ZKM_CLOCK_FIELDS], uint8_t tag[ZKM_CLOCK_TAG]
)
{
    uint8_t input[LABEL_BYTES(CLOCK_LABEL) + ZKM_CLOCK_FIELDS];
    memcpy(input, CLOCK_LABEL, LABEL_BYTES(CLOCK_LABEL));
    memcpy(input + LABEL_BYTES(CLOCK_LABEL), fields, ZKM_CLOCK_FIELDS);
    (void)crypto_generichash_blake2b(tag, ZKM_CLOCK_TAG, input, sizeof input, session_key, 32);
}

bool zkm_clock_tag_holds(
    const uint8_t session_key[32], const uint8_t fields[ZKM_CLOCK_FIELDS], const uint8_t tag[ZKM_CLOCK_TAG]
)
{
    uint8_t expected[ZKM_CLOCK_TAG];
    zkm_clock_tag(session_key, fields, expected);
    int differs = sodium_memcmp(expected, tag, sizeof expected);
    ZKM_PUBLIC(&differs, sizeof differs); /* whoever sent the command learns it */
    zkm_wipe_memory(expected, sizeof expected); /* a forger lacks just that */
    return differs == 0;
}

void zkm_stream_open(
    uint8_t stream[52], const uint8_t session_key[32], uint32_t epoch, uint32_t index,
    const uint8_t header[ZKM_STREAM_HEADER_BYTES]
)
{
    uint8_t input[LABEL_BYTES(WINDOW_LABEL) + 8];
    uint8_t window_key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
    crypto_secretstream_xchacha20poly1305_state state;
    memcpy(input, WINDOW_LABEL, LABEL_BYTES(WINDOW_LABEL));
    (void)zkm_put(zkm_put(input + LABEL_BYTES(WINDOW_LABEL), epoch, 4), index, 4);
    (void)crypto_generichash_blake2b(window_key, sizeof window_key, input, sizeof input, session_key, 32);
    /* init_push draws its header from libsodium's random source; this is the rest of it */
    (void)crypto_secretstream_xchacha20poly1305_init_pull(&state, header, window_key);
    memcpy(stream, &state, sizeof state);
    zkm_wipe_memory(window_key, sizeof window_key);
    zkm_wipe_memory(&state, sizeof state);
}

void zkm_stream_push(
    uint8_t stream[52], uint8_t *message, size_t size, const uint8_t *extra, size_t extra_size, bool last
)
{
    crypto_secretstream_xchacha20poly1305_state state;
    memcpy(&state, stream, sizeof state);
    (void)crypto_secretstream_xchacha20poly1305_push(
        &state, message, NULL, message + 1, size, extra, extra_size,
        last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
    );
    memcpy(stream, &state, sizeof state);
    zkm_wipe_memory(&state, sizeof state);
    ZKM_PUBLIC(message, size + ZKM_STREAM_EXTRA);
}
