// The far end of a board's UART: bytes to `rx` and from `tx`, 8N1, `divisor` cycles a bit.

#include <map>

namespace {

struct Pins {
    uint32_t divisor = 4;
    // To the board: bits still to send, the next one lowest.
    uint32_t bits = 0, left = 0, timer = 0;
    // From the board: cycles since the start bit's first cycle, or -1 between bytes.
    int64_t since = -1;
    uint32_t byte = 0;
    uint64_t quiet = 0;  // cycles without anything on either wire
    uint64_t cycle = 0;
};

std::map<Harness*, Pins> pins;

}  // namespace

LNPU_API int64_t board_reset(Harness& h, int64_t divisor) {
    Pins& p = pins[&h] = Pins();
    p.divisor = divisor;
    h.model.rx = 1;
    h.model.rst = 1;
    for (int n = 0; n < 4; n++) h.cycle();
    h.model.rst = 0;
    return 0;
}

// Cycles since reset.
LNPU_API int64_t board_cycles(Harness& h) { return pins[&h].cycle; }

// Run at most `cycles` cycles; ends earlier when all input has gone out, nothing runs, and both wires were quiet for
// `quiet` cycles, or when `out` is full. Returns the bytes that came; taken[0]: bytes of `in` that went out, taken[1]: a
// stop bit from the board was 0.
LNPU_API int64_t board_run(Harness& h, const uint8_t* in, int64_t count, uint8_t* out, int64_t room, int64_t cycles,
                           int64_t quiet, int64_t* taken) {
    Pins& p = pins[&h];
    auto& m = h.model;
    int64_t next = 0, came = 0;
    taken[1] = 0;
    for (int64_t n = 0; n < cycles && came < room; n++) {
        if (p.left == 0 && next < count) {
            p.bits = uint32_t(in[next++]) << 1 | 0x200;
            p.left = 10;
            p.timer = p.divisor;
        }
        m.rx = p.left ? p.bits & 1 : 1;
        h.settle();
        if (p.left && --p.timer == 0) {
            p.timer = p.divisor;
            p.bits >>= 1;
            p.left--;
        }
        if (p.since < 0 && !m.tx) {
            p.since = 0;
            p.byte = 0;
        }
        if (p.since >= 0) {
            const uint32_t bit = p.since / p.divisor;
            if (p.since % p.divisor == p.divisor / 2) {
                if (bit >= 1 && bit <= 8) p.byte |= uint32_t(m.tx) << (bit - 1);
                if (bit == 9) {
                    if (!m.tx) taken[1] = 1;
                    out[came++] = p.byte;
                    p.since = -2;
                }
            }
            p.since++;
        }
        p.quiet = p.left || p.since >= 0 || !m.tx || m.busy ? 0 : p.quiet + 1;
        h.edge();
        p.cycle++;
        if (next == count && p.quiet >= uint64_t(quiet)) break;
    }
    taken[0] = next;
    return came;
}
