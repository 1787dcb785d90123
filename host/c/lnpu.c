#include "lnpu.h"

#include <stddef.h>

#include "lnpu_registers.h"

enum { QUIET_POLLS = 1000000 };

#define MAX_WORDS (UINT32_C(1) << 20)
#define OFFSET(name) ((uint32_t)offsetof(lnpu_t, name))
#define READ(device, name) ((device)->read32((device)->context, OFFSET(name)))
#define WRITE(device, name, value) ((device)->write32((device)->context, OFFSET(name), (value)))

enum lnpu_result lnpu_init(struct lnpu_device *device, lnpu_read32 read32, lnpu_write32 write32, void *context) {
    device->read32 = read32;
    device->write32 = write32;
    device->context = context;
    if (READ(device, ID) != LNPU__ID__VALUE_reset) return LNPU_NO_MACHINE;
    if (READ(device, DIGEST_WORD) != LNPU__DIGEST_WORD__VALUE_reset) return LNPU_OTHER_MACHINE;
    WRITE(device, CONTROL, LNPU__CONTROL__SOFT_RESET_bm);
    for (uint32_t n = 0; n < QUIET_POLLS; n++) {
        if (!(READ(device, STATUS) & LNPU__STATUS__BUSY_bm)) {
            lnpu_acknowledge(device);
            return LNPU_OK;
        }
    }
    return LNPU_TIMEOUT;
}

enum lnpu_result lnpu_start(const struct lnpu_device *device, uint64_t address, uint32_t words, bool interrupt) {
    if (address % 8 || address > UINT32_MAX || words == 0 || words > MAX_WORDS) return LNPU_BAD_LIST;
    if (READ(device, STATUS) & LNPU__STATUS__BUSY_bm) return LNPU_BUSY;
    WRITE(device, LIST_ADDRESS, (uint32_t)address);
    WRITE(device, LIST_WORDS, words);
    lnpu_acknowledge(device);
    WRITE(device, CONTROL, LNPU__CONTROL__START_bm | (interrupt ? LNPU__CONTROL__IRQ_ENABLE_bm : 0));
    return LNPU_OK;
}

enum lnpu_result lnpu_poll(const struct lnpu_device *device) {
    const uint32_t status = READ(device, STATUS);
    if (status & LNPU__STATUS__BUSY_bm) return LNPU_TIMEOUT;
    return status & LNPU__STATUS__ERROR_bm ? LNPU_FAILED : LNPU_OK;
}

enum lnpu_result lnpu_wait(const struct lnpu_device *device, uint32_t polls) {
    for (uint32_t n = 0; polls == 0 || n < polls; n++) {
        const enum lnpu_result result = lnpu_poll(device);
        if (result != LNPU_TIMEOUT) {
            lnpu_acknowledge(device);
            return result;
        }
    }
    return LNPU_TIMEOUT;
}

enum lnpu_result lnpu_run(const struct lnpu_device *device, uint64_t address, uint32_t words, uint32_t polls) {
    const enum lnpu_result result = lnpu_start(device, address, words, false);
    return result == LNPU_OK ? lnpu_wait(device, polls) : result;
}

void lnpu_acknowledge(const struct lnpu_device *device) {
    WRITE(device, IRQ_STATUS, LNPU__IRQ_STATUS__DONE_bm | LNPU__IRQ_STATUS__ERROR_bm);
}

void lnpu_abort(const struct lnpu_device *device) {
    /* CONTROL also holds the interrupt's enable, which stays as it is. */
    const uint32_t enable = READ(device, CONTROL) & LNPU__CONTROL__IRQ_ENABLE_bm;
    WRITE(device, CONTROL, enable | LNPU__CONTROL__ABORT_bm);
}

void lnpu_set_watchdog(const struct lnpu_device *device, uint64_t cycles) {
    uint64_t limit = cycles / 256 + (cycles % 256 != 0);
    if (limit > LNPU__WATCHDOG__LIMIT_bm) limit = LNPU__WATCHDOG__LIMIT_bm;
    WRITE(device, WATCHDOG, (uint32_t)limit);
}

struct lnpu_failure lnpu_error(const struct lnpu_device *device) {
    return (struct lnpu_failure){
        .cause = READ(device, ERROR_CAUSE) & LNPU__ERROR_CAUSE__CAUSE_bm,
        .command = READ(device, ERROR_COMMAND),
        .address = READ(device, ERROR_ADDRESS),
    };
}

struct lnpu_counters lnpu_read_counters(const struct lnpu_device *device) {
    return (struct lnpu_counters){
#define LNPU_READ(name) .name = READ(device, name),
        LNPU_COUNTERS(LNPU_READ)
#undef LNPU_READ
    };
}

const char *lnpu_cause_text(uint32_t cause) {
    switch (cause) {
#define LNPU_TEXT(number, name, text) \
    case number: return text;
        LNPU_CAUSES(LNPU_TEXT)
#undef LNPU_TEXT
    }
    return "Unknown cause.";
}

const char *lnpu_result_text(enum lnpu_result result) {
    switch (result) {
    case LNPU_OK: return "Everything is well.";
    case LNPU_NO_MACHINE: return "There is no OpenLNPU machine at this address.";
    case LNPU_OTHER_MACHINE: return "The machine has another configuration than the software.";
    case LNPU_BAD_LIST: return "The list's address or length is not allowed.";
    case LNPU_BUSY: return "A list is running.";
    case LNPU_TIMEOUT: return "The list has not ended yet.";
    case LNPU_FAILED: return "The list was stopped by an error.";
    }
    return "Unknown result.";
}
