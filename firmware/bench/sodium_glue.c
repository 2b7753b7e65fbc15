#include "sodium_glue.h"

#include <sodium.h>

/* libsodium picks processor features at run time; there are none here */
int _crypto_pwhash_argon2_pick_best_implementation(void);
int _crypto_aead_aegis128l_pick_best_implementation(void);
int _crypto_aead_aegis256_pick_best_implementation(void);

int _crypto_pwhash_argon2_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis128l_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis256_pick_best_implementation(void)
{
    return 0;
}

static uint8_t next_byte;

static const char *name(void)
{
    return "counter";
}

static void fill(void *const buffer, const size_t size)
{
    uint8_t *bytes = buffer;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = next_byte++;
    }
}

static uint32_t word(void)
{
    uint32_t value;
    fill(&value, sizeof value);
    return value;
}

static randombytes_implementation counter = {.implementation_name = name, .random = word, .buf = fill};

int zkm_sodium_start(void)
{
    return randombytes_set_implementation(&counter) != 0 || sodium_init() != 0 ? -1 : 0;
}
