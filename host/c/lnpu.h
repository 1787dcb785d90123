/* Driver of an OpenLNPU machine for bare metal: C11 without a C library.
 *
 * The machine runs command lists that lie in memory (docs/programming.md). The driver starts a list, waits for its
 * end and says what went wrong. Caches are the caller's: write back what the machine reads before lnpu_start, and
 * invalidate what it wrote after lnpu_wait.
 *
 *     struct lnpu_device device;
 *     if (lnpu_init(&device, my_read32, my_write32, NULL) != LNPU_OK) ...
 *     enum lnpu_result result = lnpu_run(&device, list_address, list_words, 0);
 *     if (result == LNPU_FAILED) puts(lnpu_cause_text(lnpu_error(&device).cause));
 */
#ifndef LNPU_H
#define LNPU_H

#include <stdbool.h>
#include <stdint.h>

#include "lnpu_lists.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Access to a 32-bit register: `offset` in bytes from the machine's first register. `context` is what lnpu_init got. */
typedef uint32_t (*lnpu_read32)(void *context, uint32_t offset);
typedef void (*lnpu_write32)(void *context, uint32_t offset, uint32_t value);

struct lnpu_device {
    lnpu_read32 read32;
    lnpu_write32 write32;
    void *context;
};

enum lnpu_result {
    LNPU_OK = 0,
    LNPU_NO_MACHINE,    /* the identification register does not hold "LNPU" */
    LNPU_OTHER_MACHINE, /* the machine has another configuration than lnpu_registers.h */
    LNPU_BAD_LIST,      /* address no multiple of 8 or above 4 GiB, or not 1 to 2^20 words */
    LNPU_BUSY,          /* a list runs, or bursts of an aborted one are awaited */
    LNPU_TIMEOUT,       /* the list has not ended yet */
    LNPU_FAILED         /* the list was stopped by an error: see lnpu_error */
};

/* Why a list was stopped: the cause's number, the command's index in the list (from 0), an address or 0. */
struct lnpu_failure {
    uint32_t cause;
    uint32_t command;
    uint32_t address;
};

/* All counters, 32 bits that wrap; each is named as its register. */
struct lnpu_counters {
#define LNPU_MEMBER(name) uint32_t name;
    LNPU_COUNTERS(LNPU_MEMBER)
#undef LNPU_MEMBER
};

/* Checks identification and configuration, then resets the machine and waits until it is quiet.
 * LNPU_OK, LNPU_NO_MACHINE, LNPU_OTHER_MACHINE, or LNPU_TIMEOUT after 1,000,000 reads. */
enum lnpu_result lnpu_init(struct lnpu_device *device, lnpu_read32 read32, lnpu_write32 write32, void *context);

/* Starts a list of `words` 64-bit words at a byte address; `interrupt`: irq shall rise at its end.
 * LNPU_OK, LNPU_BAD_LIST or LNPU_BUSY. */
enum lnpu_result lnpu_start(const struct lnpu_device *device, uint64_t address, uint32_t words, bool interrupt);

/* The started list's state, at once: LNPU_OK, LNPU_FAILED, or LNPU_TIMEOUT while it runs. */
enum lnpu_result lnpu_poll(const struct lnpu_device *device);

/* Polls until the list has ended, at most `polls` times (0: for ever), and takes the interrupt back. */
enum lnpu_result lnpu_wait(const struct lnpu_device *device, uint32_t polls);

/* lnpu_start without interrupt, then lnpu_wait. */
enum lnpu_result lnpu_run(const struct lnpu_device *device, uint64_t address, uint32_t words, uint32_t polls);

/* Takes the interrupt back: irq falls. Call it in the interrupt handler. */
void lnpu_acknowledge(const struct lnpu_device *device);

/* Stops a list; it ends as usual, without error: lnpu_wait. */
void lnpu_abort(const struct lnpu_device *device);

/* Limit of every command of later lists, in clock cycles, rounded up to 256 and cut at 2^32 - 256; 0: none. */
void lnpu_set_watchdog(const struct lnpu_device *device, uint64_t cycles);

/* Of the last list, when it failed. */
struct lnpu_failure lnpu_error(const struct lnpu_device *device);

/* Of the last list that ran passes, when it has ended. */
struct lnpu_counters lnpu_read_counters(const struct lnpu_device *device);

/* One sentence; never NULL. */
const char *lnpu_cause_text(uint32_t cause);
const char *lnpu_result_text(enum lnpu_result result);

#ifdef __cplusplus
}
#endif

#endif
