#include "checkpoint.h"

#include <string.h>

#include "blake2s.h"
#include "bytes.h"
#include "chain.h"
#include "crypto.h"

#define VERSION 1
#define CHAIN_AT 108

typedef struct {
    uint16_t flags;
    uint32_t index;
    uint64_t records_in_epoch;
    uint32_t records_in_window;
    uint64_t start_ms;
    uint64_t end_ms;
} variable_fields;

static uint8_t *put_bytes(uint8_t *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return out + size;
}

static uint8_t *put_chain(uint8_t *out, const uint32_t chain[ZKM_BLOCK])
{
    zkm_chain_bytes(out, chain);
    return out + 4 * ZKM_BLOCK;
}

static uint8_t *put_checkpoint(
    const zkm_device *device, const variable_fields *fields, const uint32_t chain[ZKM_BLOCK], uint8_t *out
)
{
    out = put_bytes(out, "ZKMc", 4);
    out = zkm_put(out, VERSION, 2);
    out = zkm_put(out, fields->flags, 2);
    out = put_bytes(out, device->signing_key + 32, 32);
    out = zkm_put(out, device->epoch, 4);
    out = zkm_put(out, fields->index, 4);
    out = zkm_put(out, fields->records_in_epoch, 8);
    out = zkm_put(out, fields->records_in_window, 4);
    out = zkm_put(out, fields->start_ms, 8);
    out = zkm_put(out, fields->end_ms, 8);
    out = put_bytes(out, device->config.schema_digest, 32);
    return put_chain(out, chain);
}

/* with a chain value of zeros */
static void put_opening(const zkm_device *device, uint8_t out[ZKM_OPENING_BYTES])
{
    static const uint32_t zeros[ZKM_BLOCK] = {0};
    const variable_fields opening = {
        .flags = device->opening_flags, .start_ms = device->epoch_start_ms, .end_ms = device->epoch_start_ms,
    };
    out = put_checkpoint(device, &opening, zeros, out);
    out = zkm_put(out, device->before.epoch, 4);
    out = zkm_put(out, device->before.index, 4);
    out = zkm_put(out, device->before.end_ms, 8);
    (void)put_chain(out, device->before.chain);
}

static void genesis(const uint8_t blank[ZKM_OPENING_BYTES], uint32_t chain[ZKM_BLOCK])
{
    static const uint8_t person[ZKM_BLAKE2S_PERSON] = {'z', 'k', 'm', ':', 'o', 'p', 'e', 'n'};
    zkm_blake2s hash;
    uint8_t digest[ZKM_BLAKE2S_BYTES];
    zkm_blake2s_init(&hash, NULL, 0, person);
    zkm_blake2s_update(&hash, blank, ZKM_OPENING_BYTES);
    zkm_blake2s_final(&hash, digest);
    zkm_chain_genesis(chain, digest);
}

void zkm_opening_chain(const zkm_device *device, uint32_t chain[ZKM_BLOCK])
{
    uint8_t blank[ZKM_OPENING_BYTES];
    put_opening(device, blank);
    genesis(blank, chain);
}

void zkm_write_opening(const zkm_device *device, uint8_t out[ZKM_SIGNED_OPENING_BYTES])
{
    uint32_t chain[ZKM_BLOCK];
    put_opening(device, out);
    genesis(out, chain);
    (void)put_chain(out + CHAIN_AT, chain);
    ZKM_PUBLIC(out, ZKM_OPENING_BYTES);
    zkm_sign(device->signing_key, out, ZKM_OPENING_BYTES, out + ZKM_OPENING_BYTES);
}

void zkm_write_checkpoint(const zkm_device *device, uint8_t out[ZKM_SIGNED_CHECKPOINT_BYTES])
{
    const variable_fields closing = {
        .flags = device->flags,
        .index = device->index + 1,
        .records_in_epoch = device->records_in_epoch,
        .records_in_window = device->records,
        .start_ms = device->start_ms,
        .end_ms = device->end_ms,
    };
    (void)put_checkpoint(device, &closing, device->chain, out);
    ZKM_PUBLIC(out, ZKM_CHECKPOINT_BYTES);
    zkm_sign(device->signing_key, out, ZKM_CHECKPOINT_BYTES, out + ZKM_CHECKPOINT_BYTES);
}
