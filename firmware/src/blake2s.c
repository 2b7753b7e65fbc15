#include "blake2s.h"

#include "wipe.h"

#define ROUNDS 10
#define WORDS 16

static const uint32_t START[8] = {
    0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU, 0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U,
};

static const uint8_t ORDER[ROUNDS][WORDS] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint32_t rotate_right(uint32_t word, unsigned int bits)
{
    return (word >> bits) | (word << (32U - bits));
}

static uint32_t load32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void quarter(uint32_t v[WORDS], unsigned int at, unsigned int diagonal, uint32_t x, uint32_t y)
{
    /* column at, its rows turned by the diagonal */
    uint32_t *const a = &v[at];
    uint32_t *const b = &v[4U + ((at + diagonal) & 3U)];
    uint32_t *const c = &v[8U + ((at + 2U * diagonal) & 3U)];
    uint32_t *const d = &v[12U + ((at + 3U * diagonal) & 3U)];
    *a += *b + x;
    *d = rotate_right(*d ^ *a, 16);
    *c += *d;
    *b = rotate_right(*b ^ *c, 12);
    *a += *b + y;
    *d = rotate_right(*d ^ *a, 8);
    *c += *d;
    *b = rotate_right(*b ^ *c, 7);
}

static void compress(zkm_blake2s *state, uint32_t last)
{
    uint32_t message[WORDS];
    uint32_t v[WORDS];
    for (unsigned int i = 0; i < WORDS; i++) {
        message[i] = load32(&state->block[4U * i]);
    }
    for (unsigned int i = 0; i < 8; i++) {
        v[i] = state->hash[i];
        v[i + 8U] = START[i];
    }
    v[12] ^= (uint32_t)state->count;
    v[13] ^= (uint32_t)(state->count >> 32);
    v[14] ^= last;
    for (unsigned int round = 0; round < ROUNDS; round++) {
        for (unsigned int i = 0; i < 8; i++) {
            const uint8_t *pair = &ORDER[round][2U * i];
            quarter(v, i & 3U, i >> 2, message[pair[0]], message[pair[1]]);
        }
    }
    for (unsigned int i = 0; i < 8; i++) {
        state->hash[i] ^= v[i] ^ v[i + 8U];
    }
    zkm_wipe_memory(message, sizeof message);
    zkm_wipe_memory(v, sizeof v);
}

void zkm_blake2s_init(zkm_blake2s *state, const uint8_t *key, size_t key_size,
                      const uint8_t person[ZKM_BLAKE2S_PERSON])
{
    for (unsigned int i = 0; i < 8; i++) {
        state->hash[i] = START[i];
    }
    /* digest length, key length, fan-out 1, depth 1 */
    state->hash[0] ^= 0x01010000U | (uint32_t)key_size << 8 | ZKM_BLAKE2S_BYTES;
    state->hash[6] ^= load32(person);
    state->hash[7] ^= load32(person + 4);
    state->count = 0;
    state->used = 0;
    if (key_size > 0) {
        for (size_t i = 0; i < ZKM_BLAKE2S_BLOCK; i++) {
            state->block[i] = i < key_size ? key[i] : 0;
        }
        state->used = ZKM_BLAKE2S_BLOCK;
    }
}

void zkm_blake2s_update(zkm_blake2s *state, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (state->used == ZKM_BLAKE2S_BLOCK) { /* a full block waits: it may be the last */
            state->count += ZKM_BLAKE2S_BLOCK;
            compress(state, 0);
            state->used = 0;
        }
        state->block[state->used++] = data[i];
    }
}

void zkm_blake2s_final(zkm_blake2s *state, uint8_t digest[ZKM_BLAKE2S_BYTES])
{
    state->count += state->used;
    while (state->used < ZKM_BLAKE2S_BLOCK) {
        state->block[state->used++] = 0;
    }
    compress(state, 0xffffffffU);
    for (unsigned int i = 0; i < ZKM_BLAKE2S_BYTES; i++) {
        digest[i] = (uint8_t)(state->hash[i / 4U] >> (8U * (i % 4U)));
    }
    zkm_wipe_memory(state, sizeof *state);
}
