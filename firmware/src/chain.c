#include "chain.h"

#include "blake2s.h"
#include "poseidon.h"
#include "poseidon_tables.h"
#include "wipe.h"

void zkm_chain_absorb(uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint32_t block[ZKM_BLOCK_ELEMENTS], zkm_role role)
{
    const int32_t *constants = &ENTRY_ROLES[ZKM_CHAIN_ELEMENTS * (unsigned int)role];
    int32_t state[ZKM_WIDTH];
    for (int i = 0; i < ZKM_CHAIN_ELEMENTS; i++) {
        state[i] = (int32_t)chain[i] + constants[i];
        state[i + ZKM_CHAIN_ELEMENTS] = (int32_t)block[i] + ENTRY[i + ZKM_CHAIN_ELEMENTS];
    }
    zkm_poseidon_rounds(state);
    for (int i = 0; i < ZKM_CHAIN_ELEMENTS; i++) {
        /* below 2p; minus p, and p again if that was too much */
        const uint32_t word = zkm_poseidon_output(state[i]) + chain[i] - (uint32_t)ZKM_PRIME;
        chain[i] = word + ((uint32_t)ZKM_PRIME & (0U - (word >> 31)));
    }
}

void zkm_chain_genesis(uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint8_t digest[ZKM_DIGEST_BYTES])
{
    for (int i = 0; i < ZKM_CHAIN_ELEMENTS; i++) {
        chain[i] = 0;
    }
    for (int half = 0; half < 2; half++) {
        uint32_t block[ZKM_BLOCK_ELEMENTS];
        for (int i = 0; i < ZKM_BLOCK_ELEMENTS; i++) {
            block[i] = (uint32_t)digest[0] | (uint32_t)digest[1] << 8;
            digest += 2;
        }
        zkm_chain_absorb(chain, block, ZKM_ROLE_GENESIS);
    }
}

static void store32(uint8_t *bytes, uint32_t word)
{
    for (unsigned int i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(word >> (8U * i));
    }
}

void zkm_chain_salt(uint32_t salt[ZKM_BLOCK_ELEMENTS], const uint8_t secret[ZKM_SECRET_BYTES], uint32_t epoch,
                    uint32_t index)
{
    static const uint8_t for_key[ZKM_BLAKE2S_PERSON] = {'z', 'k', 'm', ':', 's', 'a', 'l', 't'};
    static const uint8_t for_sample[ZKM_BLAKE2S_PERSON] = {'z', 'k', 'm', ':', 's', 'a', 'm', 'p'};
    zkm_blake2s hash;
    uint8_t key[ZKM_BLAKE2S_BYTES];
    uint8_t words[ZKM_BLAKE2S_BYTES];
    uint8_t label[12];
    zkm_blake2s_init(&hash, 0, 0, for_key);
    zkm_blake2s_update(&hash, secret, ZKM_SECRET_BYTES);
    zkm_blake2s_final(&hash, key);
    store32(label, epoch);
    store32(label + 4, index);
    unsigned int found = 0;
    for (uint32_t counter = 0; found < ZKM_BLOCK_ELEMENTS; counter++) {
        store32(label + 8, counter);
        zkm_blake2s_init(&hash, key, sizeof key, for_sample);
        zkm_blake2s_update(&hash, label, sizeof label);
        zkm_blake2s_final(&hash, words);
        for (unsigned int i = 0; i < sizeof words && found < ZKM_BLOCK_ELEMENTS; i += 4) {
            const uint32_t word = ((uint32_t)words[i] | (uint32_t)words[i + 1] << 8 | (uint32_t)words[i + 2] << 16 |
                                   (uint32_t)words[i + 3] << 24) &
                                  0x7fffffffU;
            if (word < (uint32_t)ZKM_PRIME) { /* shows only which words were dropped, and those are used nowhere */
                salt[found++] = word;
            }
        }
    }
    zkm_wipe_memory(key, sizeof key);
    zkm_wipe_memory(words, sizeof words);
}

void zkm_chain_bytes(uint8_t bytes[4 * ZKM_CHAIN_ELEMENTS], const uint32_t elements[ZKM_CHAIN_ELEMENTS])
{
    for (int i = 0; i < ZKM_CHAIN_ELEMENTS; i++) {
        store32(bytes + 4 * i, elements[i]);
    }
}
