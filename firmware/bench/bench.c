/* Instructions of the device's steps, as one JSON object on the console. */
#include <sodium.h>
#include <string.h>

#include "chain.h"
#include "instructions.h"
#include "journal.h"
#include "memory_flash.h"
#include "poseidon.h"
#include "semihosting.h"
#include "sodium_glue.h"
#include "startup.h"

#define BLOCKS 16U
#define CHECKPOINT_BYTES 140U
#define MESSAGE_BYTES 512U
#define PAGES 4U
#define PAGE_BYTES 4096U
#define WINDOWS 52U /* every page was used, the first was begun again: the most that there is to look at */

static uint32_t before;

static void start(void)
{
    zkm_stack_paint();
    before = zkm_ticks();
}

static void report(const char *name, uint32_t divisor)
{
    const uint32_t count = zkm_instructions_between(before, zkm_ticks()) / divisor;
    zkm_print("\"");
    zkm_print(name);
    zkm_print("_instructions\": ");
    zkm_print_number(count);
    zkm_print(", \"");
    zkm_print(name);
    zkm_print("_stack_bytes\": ");
    zkm_print_number(zkm_stack_used());
    zkm_print(", ");
}

static void measure_poseidon(void)
{
    uint32_t state[ZKM_WIDTH] = {1, 2, 3};
    start();
    zkm_poseidon_permute(state);
    report("permutation", 1);

    /* one-element readings, eight to a block, as they arrive */
    uint32_t chain[ZKM_CHAIN_ELEMENTS] = {0};
    uint32_t block[ZKM_BLOCK_ELEMENTS];
    uint32_t filled = 0;
    start();
    for (uint32_t reading = 0; reading < BLOCKS * ZKM_BLOCK_ELEMENTS; reading++) {
        block[filled++] = reading;
        if (filled == ZKM_BLOCK_ELEMENTS) {
            zkm_chain_absorb(chain, block, ZKM_ROLE_DATA);
            filled = 0;
        }
    }
    report("reading", BLOCKS * ZKM_BLOCK_ELEMENTS);

    uint8_t secret[ZKM_SECRET_BYTES] = {7};
    start();
    zkm_chain_salt(block, secret, 1, 2);
    report("salt", 1);
}

static int measure_sodium(void)
{
    static uint8_t seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES];
    static uint8_t secret_key[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
    static uint8_t message[MESSAGE_BYTES];
    static uint8_t sealed[MESSAGE_BYTES + crypto_secretstream_xchacha20poly1305_ABYTES];
    static uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
    static uint8_t header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    static crypto_secretstream_xchacha20poly1305_state stream;

    memset(message, 3, sizeof message);
    if (zkm_sodium_start() != 0 || crypto_sign_seed_keypair(public_key, secret_key, seed) != 0) {
        return 1;
    }
    start();
    if (crypto_sign_detached(signature, NULL, message, CHECKPOINT_BYTES, secret_key) != 0) {
        return 2;
    }
    report("signature_140", 1);
    if (crypto_sign_verify_detached(signature, message, CHECKPOINT_BYTES, public_key) != 0 ||
        crypto_secretstream_xchacha20poly1305_init_push(&stream, header, key) != 0) {
        return 3;
    }
    start();
    if (crypto_secretstream_xchacha20poly1305_push(&stream, sealed, NULL, message, MESSAGE_BYTES, NULL, 0, 0) != 0) {
        return 4;
    }
    report("secretstream_512", 1);
    return 0;
}

static bool draw(void *context, uint8_t *out, size_t size)
{
    static uint8_t next;
    (void)context;
    for (size_t i = 0; i < size; i++) {
        out[i] = next++;
    }
    return true;
}

/* What the journal costs at boot. */
static int measure_journal(void)
{
    static uint8_t flash[PAGES * PAGE_BYTES], frame[ZKM_FRAME_BYTES], seed[32], salt_secret[32];
    static zkm_memory_flash pages = {flash, PAGE_BYTES};
    static const zkm_port port = {
        .context = &pages, .random = draw, .flash_read = zkm_memory_flash_read, .flash_erase = zkm_memory_flash_erase,
        .flash_write = zkm_memory_flash_write, .page_count = PAGES, .page_bytes = PAGE_BYTES,
    };
    static const zkm_config config = {.channels = 1, .bits = {24}, .window_ms = 1, .operator_key = {9}};
    static zkm_device device;
    uint8_t slot[ZKM_SLOT_BYTES];
    memset(flash, 0xff, sizeof flash);
    zkm_status status = zkm_init(&device, &config, &port, seed, salt_secret, 0);
    for (uint64_t now = 0; status == ZKM_OK && now <= WINDOWS; now++) {
        size_t length;
        status = zkm_tick(&device, now);
        do {
            (void)zkm_next_frame(&device, frame, sizeof frame, &length);
        } while (length > 0);
    }
    if (status != ZKM_OK) {
        return 5;
    }
    start();
    status = zkm_journal_open(&device, slot);
    report("journal_open_4x4096", 1);
    return status == ZKM_OK && device.before.index == WINDOWS ? 0 : 6;
}

int main(void)
{
    zkm_print("{");
    measure_poseidon();
    int status = measure_sodium();
    if (status == 0) {
        status = measure_journal();
    }
    zkm_print("\"status\": ");
    zkm_print_number((uint32_t)status);
    zkm_print("}\n");
    return status;
}
