#define _DEFAULT_SOURCE
#include "host.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define HALF_PROGRAMMED 0x55

struct zkm_host {
    zkm_device device;
    zkm_port port;
    int file; /* -1: memory only */
    bool dark; /* power is gone until the next boot */
    bool broken;
    int how;
    uint64_t left;
    uint64_t worked;
    int source;
    uint64_t draws;
    uint8_t *flash;
    size_t flash_bytes;
};

/* ---- randomness ---- */

/* splitmix64: for tests that need the same draws again */
static uint64_t mixed(uint64_t number)
{
    uint64_t z = number * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static bool draw(void *context, uint8_t *out, size_t size)
{
    zkm_host *const host = context;
    if (host->source == ZKM_RANDOM_DEAD || host->dark) {
        return false;
    }
    if (host->source == ZKM_RANDOM_SYSTEM) {
        return getrandom(out, size, 0) == (ssize_t)size;
    }
    host->draws += host->source == ZKM_RANDOM_SEEDED ? 1 : 0;
    for (size_t i = 0; i < size; i++) {
        out[i] = host->source == ZKM_RANDOM_CONSTANT ? 0x5a : (uint8_t)(mixed(host->draws * 64 + i + 1) >> 32);
    }
    return true;
}

/* ---- flash ---- */

/* null: no such place */
static uint8_t *place(const zkm_host *host, uint32_t page, uint32_t offset, size_t size)
{
    const uint32_t page_bytes = host->port.page_bytes;
    if (page >= host->port.page_count || offset > page_bytes || size > page_bytes - offset) {
        return NULL;
    }
    return offset % ZKM_FLASH_WORD == 0 ? host->flash + (size_t)page * page_bytes + offset : NULL;
}

/* One byte of work; false when power goes with it. */
static bool work(zkm_host *host)
{
    if (host->left == 0) {
        host->dark = true;
        return false;
    }
    host->left -= host->left == UINT64_MAX ? 0 : 1;
    host->worked++;
    return true;
}

static bool keep(zkm_host *host)
{
    if (host->file < 0) {
        return true;
    }
    const ssize_t size = pwrite(host->file, host->flash, host->flash_bytes, 0);
    return size == (ssize_t)host->flash_bytes && fsync(host->file) == 0;
}

static bool flash_read(void *context, uint32_t page, uint32_t offset, uint8_t *out, size_t size)
{
    const zkm_host *const host = context;
    const uint8_t *const start = place(host, page, offset, size);
    if (host->dark || host->broken || start == NULL) {
        return false;
    }
    memcpy(out, start, size);
    return true;
}

static bool flash_erase(void *context, uint32_t page)
{
    zkm_host *const host = context;
    const size_t size = host->port.page_bytes;
    uint8_t *const start = place(host, page, 0, size);
    if (host->dark || host->broken || start == NULL) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t *const byte = start + (host->how == ZKM_CUT_FROM_END ? size - 1 - i : i);
        if (!work(host)) {
            *byte |= host->how == ZKM_CUT_HALF ? HALF_PROGRAMMED : 0;
            (void)keep(host);
            return false;
        }
        *byte = 0xff;
    }
    return keep(host);
}

static bool flash_write(void *context, uint32_t page, uint32_t offset, const uint8_t *data, size_t size)
{
    zkm_host *const host = context;
    uint8_t *const start = place(host, page, offset, size);
    if (host->dark || host->broken || start == NULL || size % ZKM_FLASH_WORD != 0) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!work(host)) {
            start[i] &= host->how == ZKM_CUT_HALF ? (uint8_t)(data[i] | HALF_PROGRAMMED) : 0xff;
            (void)keep(host);
            return false;
        }
        start[i] &= data[i]; /* programming only clears bits */
    }
    return keep(host);
}

/* ---- the board ---- */

zkm_host *zkm_host_new(void)
{
    return zkm_host_with(ZKM_PAGE_COUNT, ZKM_PAGE_BYTES);
}

zkm_host *zkm_host_with(uint32_t page_count, uint32_t page_bytes)
{
    zkm_host *const host = calloc(1, sizeof *host);
    const size_t flash_bytes = (size_t)page_count * page_bytes;
    uint8_t *const flash = malloc(flash_bytes + 1); /* no pages are no reason to fail: zkm_init says what is wrong */
    if (host == NULL || flash == NULL) {
        free(host);
        free(flash);
        return NULL;
    }
    memset(flash, 0xff, flash_bytes);
    host->flash = flash;
    host->flash_bytes = flash_bytes;
    host->file = -1;
    host->left = UINT64_MAX;
    host->port = (zkm_port){
        .context = host, .random = draw, .flash_read = flash_read, .flash_erase = flash_erase,
        .flash_write = flash_write, .page_count = page_count, .page_bytes = page_bytes,
    };
    return host;
}

zkm_host *zkm_host_open(const char *path, uint32_t page_count, uint32_t page_bytes)
{
    zkm_host *const host = zkm_host_with(page_count, page_bytes);
    if (host == NULL) {
        return NULL;
    }
    host->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (host->file >= 0) {
        const ssize_t size = pread(host->file, host->flash, host->flash_bytes + 1, 0);
        if (size == (ssize_t)host->flash_bytes || (size == 0 && keep(host))) {
            return host;
        }
    }
    zkm_host_free(host);
    return NULL;
}

void zkm_host_free(zkm_host *host)
{
    if (host == NULL) {
        return;
    }
    zkm_wipe(&host->device);
    if (host->file >= 0) {
        (void)close(host->file);
    }
    free(host->flash);
    free(host);
}

zkm_device *zkm_host_device(zkm_host *host)
{
    return &host->device;
}

zkm_status zkm_host_boot(
    zkm_host *host, const zkm_config *config, const uint8_t seed[32], const uint8_t salt_secret[32], uint64_t now_ms
)
{
    host->dark = false;
    return zkm_init(&host->device, config, &host->port, seed, salt_secret, now_ms);
}

uint8_t *zkm_host_flash(zkm_host *host)
{
    return host->flash;
}

uint64_t zkm_host_worked(const zkm_host *host)
{
    return host->worked;
}

void zkm_host_cut_after(zkm_host *host, uint64_t bytes, int how)
{
    host->left = bytes;
    host->how = how;
    host->worked = 0;
}

void zkm_host_break_flash(zkm_host *host, bool broken)
{
    host->broken = broken;
}

void zkm_host_random(zkm_host *host, int source)
{
    host->source = source;
    host->draws = 0;
}

size_t zkm_host_device_size(void)
{
    return sizeof(zkm_device);
}
