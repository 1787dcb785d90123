// C interface of one compiled model and the stream driver. Mirrors of the structures are in native.py.
#include "shim.h"

namespace {

// Why a run ended; mirrored in native.py.
enum Outcome : int32_t { DONE, HANG, VALID_DROPPED, PAYLOAD_CHANGED, EXTRA_BEAT, FULL };

struct Stall {
    uint32_t kind;    // 0 never, 1 periodic, 2 random
    uint32_t period;  // periodic: goes in one of `period` cycles
    uint64_t phase;
    Random random;
    uint32_t threshold;

    bool go() {
        if (kind == 0) return true;
        uint64_t now = phase++;
        if (kind == 1) return now % period == period - 1;
        // Long stretches of different density find more than independent coin throws of one density.
        if (now % 32 == 0) {
            static const uint32_t densities[] = {0x1000, 0x4000, 0x8000, 0xE000, 0x10000};
            threshold = densities[random.next() % 5];
        }
        return (random.next() >> 40 & 0xFFFF) < threshold;
    }
};

struct Field {
    uint8_t* port;
    uint8_t* beats;  // one value of `bytes` bytes a beat
    uint8_t* held;   // sinks: what was offered last
    uint32_t bits;
    uint32_t bytes;
};

struct Stream {
    uint8_t* valid;  // null: always valid (sink: in the cycle in which the first source's beat is taken)
    uint8_t* ready;  // null: always ready
    Field* fields;
    uint64_t n_fields;
    uint64_t capacity;  // source: beats to play; sink: beats that fit
    uint64_t expect;    // sink: beats after which the run may end
    Stall stall;
    uint64_t done;
    uint64_t first;  // cycle of the first beat (sink: first offered)
    uint64_t last;   // cycle of the last beat taken
    uint8_t pending;
    uint8_t seen;
};

struct Run {
    uint64_t idle_limit;    // cycles without any transfer that count as a hang (or as the end when quiet_end)
    uint64_t settle;        // cycles after the last expected beat in which another one is an error
    uint8_t quiet_end;
    uint8_t garbage;        // drive random payload while valid is low
    Random random;
    uint64_t cycles;
    uint32_t stream;        // of a violation
    uint32_t field;
};

void scramble(Field& f, Random& random) {
    for (uint32_t at = 0; at < f.bytes; at += 8) {
        uint64_t word = random.next();
        uint32_t bits = f.bits - at * 8, n = f.bytes - at;
        if (bits < 64) word &= (uint64_t{1} << bits) - 1;
        std::memcpy(f.port + at, &word, n < 8 ? n : 8);
    }
}

void offer(Stream& s, Run& run) {
    if (!s.pending && s.done < s.capacity && s.stall.go()) {
        s.pending = 1;
        for (uint64_t i = 0; i < s.n_fields; i++) {
            Field& f = s.fields[i];
            std::memcpy(f.port, f.beats + s.done * f.bytes, f.bytes);
        }
    } else if (!s.pending && run.garbage) {
        for (uint64_t i = 0; i < s.n_fields; i++) scramble(s.fields[i], run.random);
    }
    if (s.valid) *s.valid = s.pending;
}

// Checks the rules of one output stream in this cycle; true when a beat is taken.
bool collect(Stream& s, Run& run, bool source_taken, int32_t& outcome) {
    const bool valid = s.valid ? *s.valid : source_taken;
    if (s.pending) {
        if (!valid) {
            outcome = VALID_DROPPED;
            return false;
        }
        for (uint64_t i = 0; i < s.n_fields; i++) {
            if (std::memcmp(s.fields[i].held, s.fields[i].port, s.fields[i].bytes)) {
                outcome = PAYLOAD_CHANGED;
                run.field = i;
                return false;
            }
        }
    }
    s.pending = 0;
    if (!valid) return false;
    if (!s.seen) {
        s.seen = 1;
        s.first = run.cycles;
    }
    if (s.done == s.capacity) {  // offered is enough: a stalled sink must not hide it
        outcome = run.quiet_end ? FULL : EXTRA_BEAT;
        return false;
    }
    if (s.ready && !*s.ready) {
        s.pending = 1;
        for (uint64_t i = 0; i < s.n_fields; i++) std::memcpy(s.fields[i].held, s.fields[i].port, s.fields[i].bytes);
        return false;
    }
    for (uint64_t i = 0; i < s.n_fields; i++) {
        Field& f = s.fields[i];
        std::memcpy(f.beats + s.done * f.bytes, f.port, f.bytes);
    }
    s.done++;
    s.last = run.cycles;
    return true;
}

}  // namespace

LNPU_API Harness* lnpu_new(int seed) { return new Harness(seed); }
LNPU_API void lnpu_delete(Harness* h) { delete h; }
LNPU_API void lnpu_eval(Harness* h) { h->settle(); }
LNPU_API void lnpu_step(Harness* h, uint64_t cycles) {
    while (cycles--) h->cycle();
    h->eval();
}
LNPU_API void lnpu_set_clock(Harness* h, uint8_t* clock) { h->clock = clock; }

// Address of a port's storage in port order, or null after the last one.
LNPU_API void* lnpu_port(Harness* h, uint32_t index) {
    switch (index) {
#define LNPU_PORT(number, name) \
    case number: return &h->model.name;
#include "ports.inc"
    }
    return nullptr;
}

LNPU_API int lnpu_trace(Harness* h, const char* path) {
#if VM_TRACE_FST || VM_TRACE_VCD
    if (h->trace) h->trace->close();
    h->trace.reset();
    if (path) {
        h->trace = std::make_unique<TraceFile>();
        h->model.trace(h->trace.get(), 99);
        h->trace->open(path);
        return h->trace->isOpen();
    }
    return 1;
#else
    return 0;
#endif
}

LNPU_API int lnpu_coverage(Harness* h, const char* path) {
#if VM_COVERAGE
    h->context.coveragep()->write(path);
    return 1;
#else
    return 0;
#endif
}

LNPU_API uint64_t lnpu_sizes(uint32_t which) {
    const uint64_t sizes[] = {sizeof(Field), sizeof(Stream), sizeof(Run)};
    return sizes[which];
}

LNPU_API int32_t lnpu_run(Harness* h, Stream* sources, uint32_t n_sources, Stream* sinks, uint32_t n_sinks, Run* run) {
    int32_t outcome = DONE;
    uint64_t idle = 0, settled = 0;
    for (run->cycles = 0;; run->cycles++) {
        for (uint32_t i = 0; i < n_sources; i++) offer(sources[i], *run);
        for (uint32_t i = 0; i < n_sinks; i++) {
            Stream& s = sinks[i];
            if (s.ready) *s.ready = s.stall.go();
        }
        h->settle();

        bool moved = false, first_taken = false, all = true;
        for (uint32_t i = 0; i < n_sources; i++) {
            Stream& s = sources[i];
            if (s.pending && (!s.ready || *s.ready)) {
                if (!s.done) s.first = run->cycles;
                s.last = run->cycles;
                s.done++;
                s.pending = 0;
                moved = true;
                first_taken |= i == 0;
            }
            all &= s.done == s.capacity;
        }
        for (uint32_t i = 0; i < n_sinks; i++) {
            moved |= collect(sinks[i], *run, first_taken, outcome);
            if (outcome) {
                run->stream = i;
                return outcome;
            }
            all &= sinks[i].done >= sinks[i].expect;
        }
        h->edge();

        idle = moved ? 0 : idle + 1;
        if (run->quiet_end) {
            if (all && idle >= run->idle_limit) break;
        } else if (all && settled++ >= run->settle) {
            break;
        }
        if (idle > run->idle_limit) return HANG;
    }
    for (uint32_t i = 0; i < n_sources; i++)
        if (sources[i].valid) *sources[i].valid = 0;
    h->eval();
    return outcome;
}
