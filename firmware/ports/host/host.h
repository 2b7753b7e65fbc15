/* A device on a computer, for the importer and for tests: flash in memory or in a file, faults on demand.
 * Heap and system calls are for this port only. */
#ifndef ZKM_HOST_H
#define ZKM_HOST_H

#include "zkmeter.h"

/* Where randomness comes from. */
enum {
    ZKM_RANDOM_SYSTEM = 0,
    ZKM_RANDOM_SEEDED = 1, /* the same draws after every start of the random source; tests only */
    ZKM_RANDOM_DEAD = 2, /* fails */
    ZKM_RANDOM_CONSTANT = 3, /* one byte over and over */
    ZKM_RANDOM_STUCK = 4 /* the same draw over and over */
};

/* How power goes in the middle of a flash operation. */
enum {
    ZKM_CUT_CLEAN = 0, /* the byte is not touched */
    ZKM_CUT_HALF = 1, /* half of its zeros are there */
    ZKM_CUT_FROM_END = 2 /* an erase runs from the page's end */
};

/* The flash of zkm_host_new. */
#define ZKM_PAGE_COUNT 2
#define ZKM_PAGE_BYTES 1024

typedef struct zkm_host zkm_host;

/* A new board with erased flash, randomness from the system, power on; null without memory. */
zkm_host *zkm_host_new(void);

/* The same with other pages; zkm_host_boot says whether they will do. */
zkm_host *zkm_host_with(uint32_t page_count, uint32_t page_bytes);

/* The same with its flash in a file of just its size, made if there is none, written through; null if it cannot be. */
zkm_host *zkm_host_open(const char *path, uint32_t page_count, uint32_t page_bytes);

/* Wipes the device and gives everything back. */
void zkm_host_free(zkm_host *host);

zkm_device *zkm_host_device(zkm_host *host);

/* Power on: what zkm_init returns. The flash stays as it was. */
zkm_status zkm_host_boot(
    zkm_host *host, const zkm_config *config, const uint8_t seed[32], const uint8_t salt_secret[32], uint64_t now_ms
);

/* The flash, page by page, to look at and to damage. */
uint8_t *zkm_host_flash(zkm_host *host);

/* Bytes erased and programmed since the last zkm_host_cut_after. */
uint64_t zkm_host_worked(const zkm_host *host);

/* Power goes in flash operations after this many more bytes; UINT64_MAX: never. Nothing works then until the next
 * boot. */
void zkm_host_cut_after(zkm_host *host, uint64_t bytes, int how);

/* Flash operations fail from now on (or no longer). */
void zkm_host_break_flash(zkm_host *host, bool broken);

void zkm_host_random(zkm_host *host, int source);

/* sizeof(zkm_device) on this machine */
size_t zkm_host_device_size(void);

#endif
