/* Runs the hashing core on a file of requests: the tests compare its answers with Python's, on every machine.
 *
 * Arguments: input and output file. A request is one word (little-endian) that says what, then its bytes; the
 * answer is bytes. 0: permutation, 16 words -> 16 words. 1: absorb, role, chain 8 words, block 8 words -> 8 words.
 * 2: genesis, 32 bytes -> 8 words. 3: salt, secret 32 bytes, epoch, index -> 8 words.
 * 4: BLAKE2s, key size, data size (at most 512), person 8 bytes, key 32 bytes, data -> 32 bytes.
 * Exit status: 0, or 1 for bad arguments, 2 for a bad request. */
#include <string.h>

#include "blake2s.h"
#include "chain.h"
#include "poseidon.h"
#include "semihosting.h"

#define LARGEST_DATA 512U

static int input, output;

static int take(void *to, size_t size)
{
    return zkm_read(input, to, size) == size;
}

static int give(const void *from, size_t size)
{
    return zkm_write(output, from, size) == size;
}

static int permutation(void)
{
    uint32_t state[ZKM_WIDTH];
    if (!take(state, sizeof state)) {
        return 0;
    }
    zkm_poseidon_permute(state);
    return give(state, sizeof state);
}

static int absorption(void)
{
    uint32_t words[1 + ZKM_CHAIN_ELEMENTS + ZKM_BLOCK_ELEMENTS];
    if (!take(words, sizeof words) || words[0] > ZKM_ROLE_STATE) {
        return 0;
    }
    zkm_chain_absorb(words + 1, words + 1 + ZKM_CHAIN_ELEMENTS, (zkm_role)words[0]);
    uint8_t bytes[4 * ZKM_CHAIN_ELEMENTS];
    zkm_chain_bytes(bytes, words + 1);
    return give(bytes, sizeof bytes);
}

static int genesis(void)
{
    uint8_t digest[ZKM_DIGEST_BYTES];
    uint32_t chain[ZKM_CHAIN_ELEMENTS];
    if (!take(digest, sizeof digest)) {
        return 0;
    }
    zkm_chain_genesis(chain, digest);
    return give(chain, sizeof chain);
}

static int salt(void)
{
    uint8_t secret[ZKM_SECRET_BYTES];
    uint32_t place[2];
    uint32_t block[ZKM_BLOCK_ELEMENTS];
    if (!take(secret, sizeof secret) || !take(place, sizeof place)) {
        return 0;
    }
    zkm_chain_salt(block, secret, place[0], place[1]);
    return give(block, sizeof block);
}

static int blake2s(void)
{
    static uint8_t data[LARGEST_DATA];
    uint32_t sizes[2];
    uint8_t person[ZKM_BLAKE2S_PERSON], key[ZKM_BLAKE2S_BYTES], digest[ZKM_BLAKE2S_BYTES];
    if (!take(sizes, sizeof sizes) || sizes[0] > sizeof key || sizes[1] > sizeof data ||
        !take(person, sizeof person) || !take(key, sizeof key) || !take(data, sizes[1])) {
        return 0;
    }
    zkm_blake2s state;
    zkm_blake2s_init(&state, key, sizes[0], person);
    zkm_blake2s_update(&state, data, sizes[1] / 2);
    zkm_blake2s_update(&state, data + sizes[1] / 2, sizes[1] - sizes[1] / 2);
    zkm_blake2s_final(&state, digest);
    return give(digest, sizeof digest);
}

int main(void)
{
    static int (*const handlers[])(void) = {permutation, absorption, genesis, salt, blake2s};
    char line[512];
    if (zkm_command_line(line, sizeof line) != 0) {
        return 1;
    }
    char *second = strchr(line, ' ');
    if (second == NULL) {
        return 1;
    }
    *second++ = '\0';
    input = zkm_open(line, ZKM_OPEN_READ);
    output = zkm_open(second, ZKM_OPEN_WRITE);
    if (input < 0 || output < 0) {
        return 1;
    }
    uint32_t what;
    while (take(&what, sizeof what)) {
        if (what >= sizeof handlers / sizeof handlers[0] || !handlers[what]()) {
            return 2;
        }
    }
    return zkm_close(output) == 0 ? 0 : 2;
}
