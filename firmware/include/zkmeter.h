/* zkmeter, device side: commits to every reading, signs checkpoints, encrypts readings to the operator.
 *
 * docs/protocol.md, sections 3 and 4, is the log's format; docs/firmware.md is the wire format and the journal.
 * No heap, no operating system. One thread at a time per device; nothing may be called from an interrupt
 * while another call is running.
 *
 * All times are milliseconds since 1970 UTC, 0..ZKM_TIME_MAX. Pointers are never null unless a comment says so.
 * A function that fails changes nothing, unless its comment says what. */
#ifndef ZKMETER_H
#define ZKMETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZKM_CHANNELS_MAX 7
#define ZKM_BITS_MAX 24
#define ZKM_BLOCK 8 /* field elements in a block, and in a chain value */
#define ZKM_TIME_MAX 9007199254740991U /* 2^53 - 1 */
#define ZKM_CLOCK_MIN_MS 1577836800000U /* 2020-01-01: a board whose clock is behind that does not know the time */
#define ZKM_CLOCK_FREE_MS 2000U /* what clock commands move it by in a session, all together, without CLOCK_SET */
#define ZKM_CLOCK_STEP_MS 86400000U /* the clock command's longest step forward once the epoch has begun */
#define ZKM_CLOCK_MAX_MS 4102444800000U /* 2100-01-01: it sets the clock to times before */

#define ZKM_PAGES_MIN 2 /* of flash, for the journal */
#define ZKM_PAGES_MAX 64
#define ZKM_PAGE_BYTES_MIN 1024U /* of a page: a multiple of ZKM_FLASH_WORD */
#define ZKM_PAGE_BYTES_MAX 65536U
#define ZKM_FLASH_WORD 16 /* what is written at once is this or a multiple */
#define ZKM_SLOT_BYTES 553 /* what the journal writes for a window, at most */
#define ZKM_FRAME_BYTES 609 /* the longest frame, delimiter included: what zkm_next_frame needs */
#define ZKM_COMMAND_BYTES 34 /* the longest command, without its delimiter: what is longer is noise */
#define ZKM_OUTGOING_BYTES 1536
#define ZKM_PLAIN_BYTES 512 /* plain text of a data frame, at most */

typedef enum {
    ZKM_OK = 0,
    ZKM_BAD_ARGUMENT = 1, /* outside the stated range, or the device is not running */
    ZKM_NO_RANDOMNESS = 2, /* the random source failed, or its draws are constant */
    ZKM_FLASH = 3, /* the journal could not be read or written, or is damaged */
    ZKM_FULL = 4, /* no room in the outgoing buffer: send frames, then call again */
    ZKM_TIME = 5, /* time went backwards, or a step of the clock is not allowed */
    ZKM_SELF_TEST = 6, /* Poseidon or libsodium does not work on this machine */
    ZKM_BAD_FRAME = 7, /* a received frame is noise, or no command that may be obeyed */
    ZKM_WORN = 8 /* no epochs or indices left */
} zkm_status;

/* status flags of checkpoints; cumulative per epoch */
#define ZKM_TAMPER 1U
#define ZKM_BROWN_OUT 2U
#define ZKM_CLOCK_SET 4U
#define ZKM_SATURATED 8U
#define ZKM_MISSED 16U
#define ZKM_DT_OVERFLOW 32U

/* What the contract says about the log. */
typedef struct {
    uint8_t channels; /* 1..7 */
    uint8_t bits[ZKM_CHANNELS_MAX]; /* of each channel, 1..24 */
    uint32_t period_ms; /* between samples; 0: records carry dt_ms */
    uint8_t schema_digest[32];
    uint32_t window_ms; /* longest window, 1.. */
    uint8_t operator_key[32]; /* X25519 */
    bool may_miss; /* every channel may have the reserved code; needs period_ms */
} zkm_config;

/* What the board provides. Each function returns false if it failed. page: 0..page_count - 1; offset: a multiple of
 * ZKM_FLASH_WORD; nothing reaches beyond the page. */
typedef struct {
    void *context; /* handed to every function; may be null */
    bool (*random)(void *context, uint8_t *out, size_t size); /* size 1..32 */
    bool (*flash_read)(void *context, uint32_t page, uint32_t offset, uint8_t *out, size_t size); /* of any size */
    bool (*flash_erase)(void *context, uint32_t page); /* all bytes 0xff */
    /* size: a multiple of ZKM_FLASH_WORD, on erased bytes, in order; power may go at any byte. */
    bool (*flash_write)(void *context, uint32_t page, uint32_t offset, const uint8_t *data, size_t size);
    uint32_t page_count; /* ZKM_PAGES_MIN..ZKM_PAGES_MAX; both stay what they are as long as the flash is in use */
    uint32_t page_bytes; /* ZKM_PAGE_BYTES_MIN..ZKM_PAGE_BYTES_MAX, what flash_erase erases or less */
} zkm_port;

/* ---- inside; an application reads none of it ---- */

typedef struct {
    uint32_t epoch;
    uint32_t index;
    uint64_t end_ms;
    uint32_t chain[ZKM_BLOCK];
} zkm_position;

/* Bytes on their way out: a ring of whole COBS frames, each with its delimiter. */
typedef struct {
    uint16_t first; /* 0..ZKM_OUTGOING_BYTES - 1 */
    uint16_t used; /* 0..ZKM_OUTGOING_BYTES */
    uint16_t code; /* of the frame in the making: where its COBS code byte stands */
    uint8_t run; /* and what it will be, 1..255 */
    uint32_t crc;
    uint8_t ring[ZKM_OUTGOING_BYTES];
} zkm_outgoing;

typedef struct {
    zkm_config config;
    zkm_port port;
    uint8_t running; /* 0 or 1 */

    uint8_t signing_key[64]; /* secret: seed, then the public key */
    uint8_t salt_secret[32]; /* secret */
    uint8_t session_key[32]; /* secret */
    uint8_t session_public[32];
    uint32_t clocks; /* clock commands obeyed in this session */
    uint8_t stream[52]; /* secret: secretstream's state */
    uint8_t last_draw[24]; /* of the random source */

    uint32_t journal_sequence; /* of the current slot */
    uint16_t journal_at; /* where it stands in its page, in words */
    uint16_t journal_next; /* where the next one goes, in words; the page's end: into the next page */
    uint8_t journal_page;
    uint8_t journal_used; /* 0: nothing written yet */

    uint8_t width; /* elements of a record: 1, 2, 4 or 8 */
    uint8_t elements; /* of them in use */
    uint16_t flags;
    int64_t clock_offset; /* this device's time minus the application's */
    uint16_t clock_moved_ms; /* by clock commands, 0..ZKM_CLOCK_FREE_MS; not counted once CLOCK_SET is set */
    zkm_position before; /* the end of the epoch before; zeros in epoch 0 */
    uint32_t epoch;
    uint32_t index; /* of the checkpoint that opened the window */
    uint32_t chain[ZKM_BLOCK];
    uint64_t epoch_start_ms;
    uint16_t opening_flags;
    uint64_t records_in_epoch; /* without those of a window that is not sealed */
    uint64_t last_record_ms; /* where there is one in the epoch */

    uint64_t earliest_ms; /* what lies before it was closed or recorded */
    uint64_t due_ms; /* from here on something has to be closed before a record; 0: whenever one comes */
    uint64_t start_ms; /* of the window */
    uint64_t end_ms; /* of a sealed window */
    uint32_t records; /* in the window, 0..records_max */
    uint32_t records_max; /* of a window that a claim can hold, below 2^23 */
    uint32_t block[ZKM_BLOCK]; /* of which block_used elements wait to be absorbed */
    uint8_t block_used;
    uint8_t streaming; /* the window's stream is open, its frame is sent */
    uint8_t sealed; /* its last data frame is sent; what is left is the journal and the checkpoint */
    uint16_t frame_sequence;

    uint16_t plain_used; /* 0..480 */
    uint8_t work[1 + ZKM_PLAIN_BYTES + 16]; /* a data frame: tag, records in plain, room for the authenticator */
    uint16_t unsent_checkpoints; /* bytes in the ring up to the end of the last checkpoint frame */
    zkm_outgoing outgoing;
} zkm_device;

/* ---- what an application calls ---- */

/* Starts a session and prepares the next epoch. The random source is drawn from three times and tested; the journal
 * is read. Frames: session, then the journal's checkpoints again.
 * now_ms: what the application's own clock says. Before the journal's end: the clock starts at that end. Then, and
 * before ZKM_CLOCK_MIN_MS, CLOCK_SET is set for all of the epoch.
 * On an error the device is wiped and every other call returns ZKM_BAD_ARGUMENT: ZKM_BAD_ARGUMENT (config, port's page
 * sizes, now_ms, an operator key of small order), ZKM_NO_RANDOMNESS, ZKM_FLASH, ZKM_SELF_TEST, ZKM_WORN. The caller
 * wipes its seed and salt_secret. seed: Ed25519; salt_secret: never shown to anybody. */
zkm_status zkm_init(
    zkm_device *device, const zkm_config *config, const zkm_port *port, const uint8_t seed[32],
    const uint8_t salt_secret[32], uint64_t now_ms
);

/* One record: config.channels values, any 32 bits; above 2^bits - 2 it is that and SATURATED is set.
 * time_ms: not before the record before nor the window's start (ZKM_TIME). Closes windows that ended by then.
 * ZKM_FULL, ZKM_NO_RANDOMNESS, ZKM_FLASH, ZKM_WORN: not recorded; windows may have been closed. */
zkm_status zkm_sample(zkm_device *device, const uint32_t *values, uint64_t time_ms);

/* A sample that was not taken: MISSED is set, even if an error is returned. With period_ms and may_miss there is a
 * record with the reserved code 2^bits - 1 in every channel, with the conditions of zkm_sample; else no record. */
zkm_status zkm_missed(zkm_device *device, uint64_t time_ms);

/* Closes every window that ended by now_ms. Call it at least once per window. A window is closed only after the
 * checkpoint before it was taken by zkm_next_frame: ZKM_FULL until then. After ZKM_FLASH call it again. */
zkm_status zkm_tick(zkm_device *device, uint64_t now_ms);

/* As zkm_tick, then closes the window that now_ms lies in, at now_ms. ZKM_TIME: before its start or last record. */
zkm_status zkm_close_window(zkm_device *device, uint64_t now_ms);

/* The next frame to send, delimiter included; *length 0: none. capacity >= ZKM_FRAME_BYTES. */
zkm_status zkm_next_frame(zkm_device *device, uint8_t *out, size_t capacity, size_t *length);

/* A frame received, without its delimiter; any bytes, any length. ZKM_BAD_FRAME: also a clock command that the
 * operator did not write, or wrote before one that was obeyed; ZKM_FULL: no room for the answer; ZKM_TIME: the clock
 * may not be set so. */
zkm_status zkm_command(zkm_device *device, const uint8_t *frame, size_t length, uint64_t now_ms);

/* The application saw ZKM_TAMPER or ZKM_BROWN_OUT; other bits are ZKM_BAD_ARGUMENT. */
zkm_status zkm_flags(zkm_device *device, uint16_t mask);

/* Overwrites the device, secrets included. */
void zkm_wipe(zkm_device *device);

#endif
