/* Crypto and commit core as an image of its own: Poseidon chain, salt, Ed25519, X25519, secretstream, BLAKE2b, and the
 * state that they work on. No windows, no framing, no journal, no port. Prints how much stack it used. */
#include <string.h>

#include "chain.h"
#include "crypto.h"
#include "semihosting.h"
#include "startup.h"

#define CHECKPOINT_BYTES 140
#define PLAIN_BYTES 512

static struct {
    uint8_t signing_key[64], salt_secret[32], session_key[32], session_public[32], stream[52];
    uint32_t chain[ZKM_CHAIN_ELEMENTS], block[ZKM_BLOCK_ELEMENTS];
    uint8_t checkpoint[CHECKPOINT_BYTES], signature[ZKM_SIGNATURE_BYTES];
    uint8_t message[PLAIN_BYTES + ZKM_STREAM_EXTRA];
} core;

static int begin(void)
{
    /* a fixed seed, one-time secret and operator: nothing here is kept secret */
    static const uint8_t seed[32] = {1}, one_time_secret[32] = {2}, header[ZKM_STREAM_HEADER_BYTES] = {3};
    static const uint8_t operator_key[32] = {9};
    if (!zkm_crypto_start() || !zkm_agree(one_time_secret, operator_key, core.session_public, core.session_key)) {
        return 1;
    }
    zkm_make_signing_key(seed, core.signing_key);
    zkm_stream_open(core.stream, core.session_key, 0, 0, header);
    return 0;
}

int main(void)
{
    uint8_t digest[ZKM_HASH_BYTES];
    const int status = begin();
    zkm_hash(core.signing_key, sizeof core.signing_key, digest);
    zkm_chain_genesis(core.chain, digest);
    zkm_chain_absorb(core.chain, core.block, ZKM_ROLE_DATA);
    zkm_chain_salt(core.block, core.salt_secret, 0, 0);
    zkm_chain_absorb(core.chain, core.block, ZKM_ROLE_CLOSING);
    zkm_chain_bytes(core.checkpoint, core.chain);
    zkm_sign(core.signing_key, core.checkpoint, sizeof core.checkpoint, core.signature);
    zkm_stream_push(core.stream, core.message, PLAIN_BYTES, core.checkpoint, 10, true);
    zkm_print("{\"stack_bytes\": ");
    zkm_print_number(zkm_stack_used());
    zkm_print("}\n");
    return status;
}
