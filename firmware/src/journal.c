#include "journal.h"

#include <string.h>

#include "pages.h"

#define WORD ZKM_FLASH_WORD
#define HEADER ZKM_PAGE_HEADER_BYTES
#define FIRST_PAGE 0
/* A page's first slot skips a number: an unfinished write behind the slot before it may have used that one. */
#define PAGE_STEP 2U

/* The page that was begun last, as far as its header or its slots tell. */
typedef struct {
    bool found;
    uint32_t page;
    uint32_t sequence; /* of one of its slots: with a whole header, the first */
    uint32_t first_length; /* 0 without a whole header */
} newest_page;

/* ---- boot ---- */

static bool is_usable(const zkm_port *port)
{
    return port->page_count >= ZKM_PAGES_MIN && port->page_count <= ZKM_PAGES_MAX &&
           port->page_bytes >= ZKM_PAGE_BYTES_MIN && port->page_bytes <= ZKM_PAGE_BYTES_MAX &&
           port->page_bytes % WORD == 0;
}

/* Whether a word is what a cut can leave of the expected one: more ones, or zeros where it cannot be read. */
static bool may_become(const uint8_t word[WORD], const uint8_t expected[WORD])
{
    uint8_t missing = 0;
    uint8_t ones = 0;
    for (size_t i = 0; i < WORD; i++) {
        missing |= (uint8_t)(expected[i] & ~word[i]);
        ones |= word[i];
    }
    return missing == 0 || ones == 0;
}

/* Whether no checkpoint has ever left this flash: it is erased but for what an unfinished first write, or the erase
 * before the next attempt at it, can have left in the first page. */
static bool is_new(const zkm_device *device)
{
    uint8_t header[HEADER];
    uint8_t expected[HEADER];
    for (uint32_t page = 0; page < device->port.page_count; page++) {
        const uint32_t most = page == FIRST_PAGE ? HEADER + ZKM_WHOLE_WORDS(ZKM_SLOT_BYTES) - WORD : 0;
        uint32_t end;
        if (!zkm_page_end(device, page, &end) || end > most) {
            return false;
        }
    }
    zkm_page_header(device, PAGE_STEP, ZKM_SLOT_BYTES, expected);
    if (!zkm_flash_read(device, FIRST_PAGE, 0, header, sizeof header)) {
        return false;
    }
    return may_become(header, expected) && may_become(header + WORD, expected + WORD);
}

/* One page's claim to be the newest. All numbers in use lie close together, modulo 2^32: else nothing holds. */
static bool take_newer(const zkm_device *device, newest_page *newest, const newest_page *page)
{
    const uint32_t span = device->port.page_count * (device->port.page_bytes / ZKM_SLOT_SHORTEST + PAGE_STEP);
    const uint32_t ahead = page->sequence - newest->sequence;
    const uint32_t behind = newest->sequence - page->sequence;
    if (!newest->found || (ahead > 0 && ahead <= span)) {
        *newest = *page;
        return true;
    }
    return behind > 0 && behind <= span;
}

static zkm_status find_newest(const zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES], newest_page *newest)
{
    uint8_t header[HEADER];
    uint8_t expected[HEADER];
    zkm_page_view view;
    for (uint32_t page = 0; page < device->port.page_count; page++) {
        if (!zkm_flash_read(device, page, 0, header, sizeof header)) {
            return ZKM_FLASH;
        }
        if (zkm_is_erased(header, sizeof header)) { /* then no slot was begun */
            continue;
        }
        newest_page candidate = {.found = true, .page = page};
        if (zkm_is_page_header(header, &candidate.sequence, &candidate.first_length)) {
            zkm_page_header(device, candidate.sequence, candidate.first_length, expected);
            if (memcmp(header, expected, sizeof header) != 0) { /* another geometry's, or a stranger's */
                return ZKM_FLASH;
            }
        } else { /* unfinished, being erased, or a bit of it gone bad: then its slots say what it is */
            if (!zkm_page_look(device, page, slot, &view)) {
                return ZKM_FLASH;
            }
            if (view.at == 0) {
                continue;
            }
            candidate.sequence = zkm_slot_sequence(slot);
            candidate.first_length = 0;
        }
        if (!take_newer(device, newest, &candidate)) {
            return ZKM_FLASH;
        }
    }
    return ZKM_OK;
}

static void use_slot(zkm_device *device, const zkm_page_view *view, uint32_t next, const uint8_t slot[ZKM_SLOT_BYTES])
{
    device->journal_page = (uint8_t)view->page;
    device->journal_at = (uint16_t)(view->at / WORD);
    device->journal_next = (uint16_t)(next / WORD);
    device->journal_used = 1;
    device->journal_sequence = zkm_slot_sequence(slot);
}

zkm_status zkm_journal_open(zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES])
{
    const zkm_port *const port = &device->port;
    newest_page newest = {.found = false};
    zkm_page_view view;
    if (!is_usable(port)) {
        return ZKM_BAD_ARGUMENT;
    }
    const zkm_status status = find_newest(device, slot, &newest);
    if (status != ZKM_OK) {
        return status;
    }
    if (!newest.found) {
        return is_new(device) ? ZKM_OK : ZKM_FLASH;
    }
    if (!zkm_page_look(device, newest.page, slot, &view) || !zkm_page_ends_well(device, &view, newest.first_length)) {
        return ZKM_FLASH;
    }
    bool closed = view.end > view.behind;
    if (view.at == 0) { /* begun, but its first slot was never finished: the page before has the current one */
        const uint32_t before = (newest.page + port->page_count - 1) % port->page_count;
        if (!zkm_page_look(device, before, slot, &view) || !zkm_page_ends_well(device, &view, 0)) {
            return ZKM_FLASH;
        }
        if (view.at == 0) {
            return is_new(device) ? ZKM_OK : ZKM_FLASH;
        }
        const uint32_t step = newest.sequence - zkm_slot_sequence(slot);
        if (step == 0 || step > PAGE_STEP) {
            return ZKM_FLASH;
        }
        closed = true;
    } else if (zkm_slot_sequence(slot) - newest.sequence >= port->page_bytes / ZKM_SLOT_SHORTEST) {
        return ZKM_FLASH; /* the slot is not of this page's time */
    }
    use_slot(device, &view, closed ? port->page_bytes : view.behind, slot);
    zkm_slot_position(slot, &device->before);
    return ZKM_OK;
}

zkm_status zkm_journal_read(const zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES])
{
    const uint32_t at = (uint32_t)device->journal_at * WORD;
    uint32_t end;
    if (!zkm_slot_read(device, device->journal_page, at, device->port.page_bytes, slot, &end) || end == 0 ||
        zkm_slot_sequence(slot) != device->journal_sequence) {
        return ZKM_FLASH;
    }
    return ZKM_OK;
}

/* ---- write ---- */

zkm_status zkm_journal_write(
    zkm_device *device, const zkm_position *position, bool with_opening, uint8_t slot[ZKM_SLOT_BYTES]
)
{
    const uint32_t page_bytes = device->port.page_bytes;
    const size_t length = with_opening ? ZKM_SLOT_BYTES : ZKM_SLOT_CLOSING_BYTES;
    zkm_page_view view = {.page = device->journal_page, .at = (uint32_t)device->journal_next * WORD};
    if (device->journal_used && view.at + ZKM_WHOLE_WORDS(length) <= page_bytes) {
        zkm_slot_complete(position, device->journal_sequence + 1, length, slot);
        if (zkm_page_program(device, view.page, view.at, slot, length)) {
            use_slot(device, &view, view.at + ZKM_WHOLE_WORDS(length), slot);
            return ZKM_OK;
        }
    }
    /* no more slots behind the current one, even if they would fit: one may have been begun there */
    device->journal_next = (uint16_t)(page_bytes / WORD);
    view.page = device->journal_used ? (view.page + 1) % device->port.page_count : FIRST_PAGE;
    view.at = HEADER;
    zkm_slot_complete(position, device->journal_sequence + PAGE_STEP, length, slot);
    if (!zkm_page_begin(device, view.page, zkm_slot_sequence(slot), length) ||
        !zkm_page_program(device, view.page, view.at, slot, length)) {
        return ZKM_FLASH;
    }
    use_slot(device, &view, view.at + ZKM_WHOLE_WORDS(length), slot);
    return ZKM_OK;
}
