#include "device.h"

#include <string.h>

#include "chain.h"
#include "crypto.h"
#include "window.h"
#include "wipe.h"

#define DT_MAX 0xffffffU /* 2^24 - 1 */

/* Closes what ended by time_ms, which is not before earliest_ms. */
static zkm_status close_due(zkm_device *device, uint64_t time_ms)
{
    zkm_status status = device->sealed ? zkm_close_at(device, device->end_ms) : ZKM_OK;
    while (status == ZKM_OK && time_ms - device->start_ms >= device->config.window_ms) {
        status = zkm_close_at(device, device->start_ms + device->config.window_ms);
    }
    return status;
}

/* ---- start ---- */

static bool is_usable(const zkm_config *config, const zkm_port *port)
{
    const int elements = config->channels + (config->period_ms == 0 ? 1 : 0);
    if (config->channels < 1 || config->channels > ZKM_CHANNELS_MAX || elements > ZKM_BLOCK || config->window_ms == 0) {
        return false;
    }
    for (int i = 0; i < config->channels; i++) {
        if (config->bits[i] < 1 || config->bits[i] > ZKM_BITS_MAX) {
            return false;
        }
    }
    return port->random != NULL && port->flash_read != NULL && port->flash_erase != NULL && port->flash_write != NULL;
}

/* Poseidon, role constants and chain, by one known answer: the genesis of the bytes 0..31. */
static bool chain_works(void)
{
    static const uint32_t known[ZKM_BLOCK] = {
        0x358093d8, 0x779fc0f5, 0x72df02d4, 0x413cfd75, 0x451021d5, 0x52e014ee, 0x3260aa91, 0x20e9bed,
    };
    uint8_t digest[32];
    uint32_t chain[ZKM_BLOCK];
    for (unsigned i = 0; i < sizeof digest; i++) {
        digest[i] = (uint8_t)i;
    }
    zkm_chain_genesis(chain, digest);
    return memcmp(chain, known, sizeof chain) == 0;
}

static zkm_status begin_session(zkm_device *device)
{
    uint8_t secret[32] = {0};
    /* two draws to test the source; the second one is what later draws are compared with */
    bool alive = zkm_draw(device, secret, sizeof secret);
    memcpy(device->last_draw, secret, sizeof device->last_draw);
    alive = alive && zkm_draw(device, secret, sizeof secret);
    memcpy(device->last_draw, secret, sizeof device->last_draw);
    alive = alive && zkm_draw(device, secret, sizeof secret);
    zkm_status status = alive ? ZKM_OK : ZKM_NO_RANDOMNESS;
    if (alive && !zkm_agree(secret, device->config.operator_key, device->session_public, device->session_key)) {
        status = ZKM_BAD_ARGUMENT;
    }
    zkm_wipe_memory(secret, sizeof secret);
    return status;
}

static zkm_status begin_log(zkm_device *device, uint64_t now_ms)
{
    uint8_t slot[ZKM_SLOT_BYTES];
    const zkm_status status = zkm_journal_open(device, slot);
    if (status != ZKM_OK) {
        return status;
    }
    if (device->journal_used && device->before.epoch == UINT32_MAX) {
        return ZKM_WORN;
    }
    uint64_t start_ms = now_ms;
    if (device->before.end_ms > now_ms) {
        start_ms = device->before.end_ms;
        device->clock_offset = (int64_t)(start_ms - now_ms);
    }
    if (device->before.end_ms > now_ms || now_ms < ZKM_CLOCK_MIN_MS) { /* it does not know the time */
        device->flags = ZKM_CLOCK_SET;
    }
    zkm_begin_epoch(device, start_ms);
    zkm_send_session(device);
    if (device->journal_used) {
        zkm_send_checkpoints(device, slot);
    }
    return ZKM_OK;
}

zkm_status zkm_init(
    zkm_device *device, const zkm_config *config, const zkm_port *port, const uint8_t seed[32],
    const uint8_t salt_secret[32], uint64_t now_ms
)
{
    memset(device, 0, sizeof *device);
    if (!is_usable(config, port) || now_ms > ZKM_TIME_MAX) {
        return ZKM_BAD_ARGUMENT;
    }
    if (!zkm_crypto_start() || !chain_works()) {
        return ZKM_SELF_TEST;
    }
    device->config = *config;
    device->port = *port;
    device->elements = (uint8_t)(config->channels + (config->period_ms == 0 ? 1 : 0));
    device->width = 1;
    while (device->width < device->elements) {
        device->width = (uint8_t)(device->width * 2);
    }
    device->records_max = (ZKM_ROWS_MAX - 1U) * ((uint32_t)ZKM_BLOCK / device->width);
    zkm_status status = begin_session(device);
    if (status == ZKM_OK) {
        zkm_make_signing_key(seed, device->signing_key);
        memcpy(device->salt_secret, salt_secret, sizeof device->salt_secret);
        status = begin_log(device, now_ms);
    }
    if (status != ZKM_OK) {
        zkm_wipe(device);
        return status;
    }
    device->running = 1;
    return ZKM_OK;
}

/* ---- records ---- */

/* Makes the window ready for a record at time_ms of the device's clock. */
static zkm_status prepare(zkm_device *device, uint64_t time_ms)
{
    if (time_ms < device->earliest_ms) {
        return ZKM_TIME;
    }
    if (time_ms < device->due_ms) { /* nearly always */
        return ZKM_OK;
    }
    const zkm_status status = close_due(device, time_ms);
    if (status == ZKM_OK && zkm_window_is_full(device)) {
        return zkm_close_at(device, time_ms);
    }
    return status;
}

static zkm_status record(zkm_device *device, uint32_t codes[ZKM_BLOCK], uint64_t time_ms, uint16_t flags)
{
    if (device->config.period_ms == 0) {
        const uint64_t dt = zkm_has_records(device) ? time_ms - device->last_record_ms : 0;
        codes[device->config.channels] = dt > DT_MAX ? DT_MAX : (uint32_t)dt;
        flags = (uint16_t)(flags | (dt > DT_MAX ? ZKM_DT_OVERFLOW : 0));
    }
    const zkm_status status = zkm_add_record(device, codes);
    if (status == ZKM_OK) {
        device->flags |= flags;
        device->last_record_ms = time_ms;
        device->earliest_ms = time_ms;
    }
    return status;
}

static uint32_t reserved_code(const zkm_device *device, int channel)
{
    return (1U << device->config.bits[channel]) - 1U;
}

zkm_status zkm_sample(zkm_device *device, const uint32_t *values, uint64_t time_ms)
{
    uint32_t codes[ZKM_BLOCK];
    uint32_t saturated = 0;
    uint64_t time = 0;
    if (!device->running) {
        return ZKM_BAD_ARGUMENT;
    }
    if (!zkm_device_time(device, time_ms, &time)) {
        return ZKM_TIME;
    }
    const zkm_status status = prepare(device, time);
    if (status != ZKM_OK) {
        return status;
    }
    for (int i = 0; i < device->config.channels; i++) {
        /* without a branch: how a reading compares is nobody's business until the flag is published */
        const uint32_t maximum = reserved_code(device, i) - 1U;
        const uint32_t over = (uint32_t)(((uint64_t)maximum - values[i]) >> 32);
        codes[i] = (values[i] & ~over) | (maximum & over);
        saturated |= over;
    }
    return record(device, codes, time, (uint16_t)(saturated & ZKM_SATURATED));
}

zkm_status zkm_missed(zkm_device *device, uint64_t time_ms)
{
    uint32_t codes[ZKM_BLOCK];
    uint64_t time = 0;
    if (!device->running) {
        return ZKM_BAD_ARGUMENT;
    }
    const zkm_status status = zkm_device_time(device, time_ms, &time) ? prepare(device, time) : ZKM_TIME;
    device->flags |= ZKM_MISSED; /* now: it belongs to the window of this sample */
    if (status != ZKM_OK || device->config.period_ms == 0 || !device->config.may_miss) {
        return status;
    }
    for (int i = 0; i < device->config.channels; i++) {
        codes[i] = reserved_code(device, i);
    }
    return record(device, codes, time, 0);
}

zkm_status zkm_flags(zkm_device *device, uint16_t mask)
{
    if (!device->running || (mask & ~(ZKM_TAMPER | ZKM_BROWN_OUT)) != 0) {
        return ZKM_BAD_ARGUMENT;
    }
    device->flags |= mask;
    return ZKM_OK;
}

/* ---- windows ---- */

/* Closes what ended by the application's now_ms, which is *time on the device's clock. */
static zkm_status catch_up(zkm_device *device, uint64_t now_ms, uint64_t *time)
{
    *time = 0;
    if (!device->running) {
        return ZKM_BAD_ARGUMENT;
    }
    if (!zkm_device_time(device, now_ms, time) || *time < device->earliest_ms) {
        return ZKM_TIME;
    }
    return close_due(device, *time);
}

zkm_status zkm_tick(zkm_device *device, uint64_t now_ms)
{
    uint64_t time;
    return catch_up(device, now_ms, &time);
}

zkm_status zkm_close_window(zkm_device *device, uint64_t now_ms)
{
    uint64_t time;
    const zkm_status status = catch_up(device, now_ms, &time);
    if (status != ZKM_OK || (time == device->start_ms && device->records == 0)) {
        return status; /* the second: it has just been closed */
    }
    return zkm_close_at(device, time);
}

/* ---- end ---- */

void zkm_wipe(zkm_device *device)
{
    zkm_wipe_memory(device, sizeof *device);
}
