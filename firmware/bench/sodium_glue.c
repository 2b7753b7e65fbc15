#include "sodium_glue.h"

#include <sodium.h>

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
