// The model as seen by the stream driver and by campaigns: `Harness` owns one instance of `Vtop`.
//
// A campaign (the `campaign=` argument of `build`) is C++ that is compiled after this file. It reaches the ports as
// members of `Harness::model` (Verilator's types: uint8_t, uint16_t, uint32_t, uint64_t, VlWide) and is entered through
// functions marked LNPU_API that take `Harness&` first:
//
//     LNPU_API int64_t sweep(Harness& h, uint64_t begin, uint64_t end) { h.model.i_a = ...; h.eval(); ... }
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using TraceFile = VerilatedFstC;
#elif VM_TRACE_VCD
#include "verilated_vcd_c.h"
using TraceFile = VerilatedVcdC;
#endif
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

#define LNPU_API extern "C" __attribute__((visibility("default")))

// 64-bit xorshift*: small, fast, the same everywhere.
struct Random {
    uint64_t state = 1;
    uint64_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return state * 0x2545F4914F6CDD1Dull;
    }
};

struct Harness {
    VerilatedContext context;
    Vtop model;
    uint8_t* clock = nullptr;
    uint64_t half_cycles = 0;
    std::function<void()> before_edge;  // a campaign's own work with the settled inputs of every cycle
#if VM_TRACE_FST || VM_TRACE_VCD
    std::unique_ptr<TraceFile> trace;
#endif

    static VerilatedContext* seeded(VerilatedContext* context, int seed) {
        context->randReset(seed ? 2 : 0);
        context->randSeed(seed ? seed : 1);
#if VM_TRACE_FST || VM_TRACE_VCD
        context->traceEverOn(true);
#endif
        return context;
    }

    explicit Harness(int seed) : model{seeded(&context, seed), "top"} {}
    ~Harness() {
#if VM_TRACE_FST || VM_TRACE_VCD
        if (trace) trace->close();
#endif
        model.final();
    }

    // Settle combinational logic and, when the clock was changed, take the edge.
    void eval() { model.eval(); }

    // One clock cycle: settle with the clock low, rising edge, clock low again (falling edge not yet evaluated).
    void cycle() {
        settle();
        edge();
    }

    void settle() {
        model.eval();
        dump();
        half_cycles++;
    }

    void edge() {
        if (clock) {
            if (before_edge) before_edge();
            *clock = 1;
            model.eval();
            dump();
            *clock = 0;
        }
        half_cycles++;
    }

    void dump() {
#if VM_TRACE_FST || VM_TRACE_VCD
        if (trace) trace->dump(half_cycles * 5);
#endif
    }
};
