/* What stands in the journal's flash pages, and how it is read and written: a header, then slots.
 *
 * Header: magic "ZKMp", version u8, page count u8, the first slot's length u16, page size u32, the first slot's
 * sequence u32, then the complement of these 16 bytes. Slot: magic "ZKMj", version u16, length u16, sequence u32, epoch
 * u32, index u32, end_ms u64, chain 32; the number of checkpoints u8, and for each its length u16 with signature,
 * checkpoint, signature; BLAKE2b of all that.
 *
 * Offsets are multiples of a word. Functions that read return false if the flash cannot be read. */
#ifndef ZKM_PAGES_H
#define ZKM_PAGES_H

#include "checkpoint.h"

#define ZKM_PAGE_HEADER_BYTES 32
#define ZKM_SLOT_CLOSING_BYTES 299 /* a slot with the checkpoint that closed a window */
/* where the checkpoints stand in a slot: the closing one alone, or behind the opening one */
#define ZKM_SLOT_FIRST 63
#define ZKM_SLOT_SECOND (ZKM_SLOT_FIRST + ZKM_SIGNED_OPENING_BYTES + 2)
#define ZKM_WHOLE_WORDS(bytes) ((uint32_t)(((bytes) + ZKM_FLASH_WORD - 1) / ZKM_FLASH_WORD * ZKM_FLASH_WORD))
#define ZKM_SLOT_SHORTEST ZKM_WHOLE_WORDS(ZKM_SLOT_CLOSING_BYTES) /* that any whole slot takes */

_Static_assert(ZKM_SLOT_FIRST + ZKM_SIGNED_CHECKPOINT_BYTES + 32 == ZKM_SLOT_CLOSING_BYTES, "size of a slot");
_Static_assert(ZKM_SLOT_SECOND + ZKM_SIGNED_CHECKPOINT_BYTES + 32 == ZKM_SLOT_BYTES, "size of the largest slot");
_Static_assert(ZKM_PAGE_HEADER_BYTES + ZKM_WHOLE_WORDS(ZKM_SLOT_BYTES) <= ZKM_PAGE_BYTES_MIN, "a slot fits a page");

typedef struct {
    uint32_t page;
    uint32_t end; /* behind the last byte that is not erased */
    uint32_t at; /* its last whole slot; 0: it has none */
    uint32_t behind; /* that slot's end; without one, the header's */
} zkm_page_view;

bool zkm_is_erased(const uint8_t *bytes, size_t size);
bool zkm_flash_read(const zkm_device *device, uint32_t page, uint32_t offset, uint8_t *out, size_t size);

/* end: behind the page's last byte that is not erased, 0 if all are. */
bool zkm_page_end(const zkm_device *device, uint32_t page, uint32_t *end);

/* Writes whole words, the last one filled up with ones, and compares what is there then. */
bool zkm_page_program(const zkm_device *device, uint32_t page, uint32_t offset, const uint8_t *bytes, size_t size);

void zkm_page_header(
    const zkm_device *device, uint32_t sequence, size_t first_length, uint8_t out[ZKM_PAGE_HEADER_BYTES]
);

/* Whether it has the magic, and every bit stands there with its complement. In the making, or while it is erased, a
 * header has pairs of ones: it cannot pass for a whole one, nor turn into another. Sets what the header tells. */
bool zkm_is_page_header(const uint8_t header[ZKM_PAGE_HEADER_BYTES], uint32_t *sequence, uint32_t *first_length);

/* Erases a page, sees that it is, and begins it with a header. */
bool zkm_page_begin(const zkm_device *device, uint32_t page, uint32_t sequence, size_t first_length);

/* Reads what stands at an offset; end: where it ends if it is a whole slot that ends by limit, else 0. A slot is whole
 * when its last word was begun, so that all words before are complete, and these hold what was hashed. The part of the
 * hash in the last word (11 or 9 of its 32 bytes) does not count: a bit gone bad there could not be told from a write
 * that stopped there. */
bool zkm_slot_read(
    const zkm_device *device, uint32_t page, uint32_t offset, uint32_t limit, uint8_t slot[ZKM_SLOT_BYTES],
    uint32_t *end
);

uint32_t zkm_slot_sequence(const uint8_t slot[ZKM_SLOT_BYTES]);
void zkm_slot_position(const uint8_t slot[ZKM_SLOT_BYTES], zkm_position *position);

/* Whether the slot holds an opening checkpoint too. */
bool zkm_slot_has_opening(const uint8_t slot[ZKM_SLOT_BYTES]);

/* Puts everything but the checkpoints into a slot. */
void zkm_slot_complete(
    const zkm_position *position, uint32_t sequence, size_t length, uint8_t slot[ZKM_SLOT_BYTES]
);

/* Looks for a page's last whole slot, from its end on; slot: that one, if view->at is not 0. */
bool zkm_page_look(const zkm_device *device, uint32_t page, uint8_t slot[ZKM_SLOT_BYTES], zkm_page_view *view);

/* Whether what stands behind the page's last whole slot never was a whole one: nothing, a write that did not get to its
 * last word, or stray bits where no slot begins. first_length: of the page's first slot, if the header tells it. */
bool zkm_page_ends_well(const zkm_device *device, const zkm_page_view *view, size_t first_length);

#endif
