/* Instructions of the sensor's steps as one JSON object on the console.
 *
 * One channel of 24 bits with a fixed period: a reading is one element, eight make a block, 160 a data frame. */
#include <string.h>

#include "instructions.h"
#include "memory_flash.h"
#include "semihosting.h"
#include "window.h"

#define START_MS 1700000000000U
#define WINDOW_MS 60000U
#define PER_BLOCK 8U
#define PER_FRAME 160U
#define FRAMES 10U
#define PAGES 4U
#define PAGE_BYTES 4096U

static zkm_device device;
static uint8_t flash[PAGES * PAGE_BYTES];
static zkm_memory_flash pages = {flash, PAGE_BYTES};
static uint64_t now = START_MS;
static uint32_t before;

static bool draw(void *context, uint8_t *out, size_t size)
{
    static uint8_t next;
    (void)context;
    for (size_t i = 0; i < size; i++) {
        out[i] = next++;
    }
    return true;
}

static void must(bool good)
{
    if (!good) {
        zkm_exit(1);
    }
}

/* Takes every frame; how many. */
static uint32_t take_frames(void)
{
    static uint8_t frame[ZKM_FRAME_BYTES];
    size_t length;
    uint32_t count = 0;
    for (;;) {
        must(zkm_next_frame(&device, frame, sizeof frame, &length) == ZKM_OK);
        if (length == 0) {
            return count;
        }
        count++;
    }
}

static void readings(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t value = 1000U * i + 123U;
        must(zkm_sample(&device, &value, now) == ZKM_OK);
        now++;
    }
}

/* The commitment alone: into the chain and into the plain text of a frame, which has room for them. */
static void commit(uint32_t count)
{
    uint32_t codes[ZKM_BLOCK] = {0};
    for (uint32_t i = 0; i < count; i++) {
        codes[0] = 1000U * i + 123U;
        must(zkm_add_record(&device, codes) == ZKM_OK);
    }
}

static void report(const char *name, uint32_t divisor)
{
    const uint32_t count = zkm_instructions_between(before, zkm_ticks());
    zkm_print("\"");
    zkm_print(name);
    zkm_print("\": ");
    zkm_print_number((count + divisor - 1) / divisor);
}

int main(void)
{
    static const uint8_t seed[32] = {1}, salt_secret[32] = {2};
    static const zkm_port port = {
        .context = &pages, .random = draw, .flash_read = zkm_memory_flash_read, .flash_erase = zkm_memory_flash_erase,
        .flash_write = zkm_memory_flash_write, .page_count = PAGES, .page_bytes = PAGE_BYTES,
    };
    static const zkm_config config = {
        .channels = 1, .bits = {24}, .period_ms = 1, .window_ms = WINDOW_MS, .operator_key = {9},
    };
    memset(flash, 0xff, sizeof flash);
    must(zkm_init(&device, &config, &port, seed, salt_secret, now) == ZKM_OK);

    /* the first window's end: two checkpoints, which is not what is measured */
    readings(PER_BLOCK);
    now = START_MS + WINDOW_MS;
    (void)take_frames();
    must(zkm_tick(&device, now) == ZKM_OK);
    readings(PER_BLOCK); /* opens the second window's stream */
    (void)take_frames();

    zkm_print("{");
    before = zkm_ticks();
    commit(PER_FRAME - PER_BLOCK);
    report("instructions_per_reading", PER_FRAME - PER_BLOCK);
    must(take_frames() == 0); /* nothing was encrypted */

    zkm_print(", ");
    readings(PER_BLOCK); /* the first one sends the full frame */
    must(take_frames() == 1);
    before = zkm_ticks();
    readings(PER_FRAME - PER_BLOCK);
    report("instructions_per_sample", PER_FRAME - PER_BLOCK);
    must(take_frames() == 0);

    zkm_print(", ");
    before = zkm_ticks();
    uint32_t frames = 0;
    for (uint32_t frame = 0; frame < FRAMES; frame++) {
        readings(PER_FRAME);
        frames += take_frames();
    }
    report("instructions_per_reading_encrypted", FRAMES * PER_FRAME);
    must(frames == FRAMES);

    zkm_print(", ");
    now = START_MS + 2U * WINDOW_MS;
    before = zkm_ticks();
    must(zkm_tick(&device, now) == ZKM_OK);
    report("instructions_per_checkpoint", 1);
    must(take_frames() == 2); /* the last data frame and the checkpoint */
    zkm_print("}\n");
    return 0;
}
