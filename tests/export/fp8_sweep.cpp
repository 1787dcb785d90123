// Every (a, b, c) of one fp8 format with fp16 accumulate, on both lanes at once, against integer arithmetic.
//
// Products depend on the signs of a and b only through their exclusive or (proved in tests/formal), so a runs over
// the 128 positive codes: 128 x 256 x 65,536 evaluations cover all 2^32 operand triples on each lane. Lane 1 takes
// the same triples in another order, so that its neighbour keeps changing.
//
// The oracle knows nothing of the hardware: operands are integers in units of 2^-16 (fp8) and 2^-24 (fp16), their
// exact sum in units of 2^-32 is rounded once.

namespace {

enum : uint8_t { NX = 1, UF = 2, OF = 4, NV = 16 };
enum Kind : uint8_t { FINITE, INFINITE, QUIET, SIGNALLING };

struct Operand {
    int64_t value;  // finite: in the format's unit; infinite: +1 or -1
    Kind kind;
};

struct Word {
    uint16_t d;
    uint8_t flags;
};

Operand fp8(unsigned code, bool e5m2) {
    const int mantissa_bits = e5m2 ? 2 : 3;
    const unsigned field = (code & 0x7F) >> mantissa_bits, mantissa = code & ((1u << mantissa_bits) - 1);
    const int64_t sign = code & 0x80 ? -1 : 1;
    if (e5m2 && field == 31)
        return mantissa == 0 ? Operand{sign, INFINITE} : Operand{0, mantissa & 2 ? QUIET : SIGNALLING};
    if (!e5m2 && (code & 0x7F) == 0x7F) return {0, QUIET};
    const int64_t significand = field ? (1u << mantissa_bits) + mantissa : mantissa;
    const int exponent = (field ? field : 1) - (e5m2 ? 15 : 7) - mantissa_bits;  // of the last bit
    return {sign * (significand << (exponent + 16)), FINITE};
}

Operand fp16(unsigned code) {
    const unsigned field = code >> 10 & 31, mantissa = code & 1023;
    const int64_t sign = code & 0x8000 ? -1 : 1;
    if (field == 31) return mantissa == 0 ? Operand{sign, INFINITE} : Operand{0, mantissa & 512 ? QUIET : SIGNALLING};
    const int64_t significand = field ? 1024 + mantissa : mantissa;
    return {sign * (significand << (field ? field - 1 : 0)), FINITE};
}

// a * 2^-unit of a sum that is not zero, to nearest even.
Word round_once(bool negative, uint64_t size) {
    constexpr int UNIT = 32;
    const int lead = 63 - __builtin_clzll(size);
    auto at = [size](int last) {  // size in units of 2^last, rounded
        if (last <= 0) return size << -last;
        const uint64_t whole = size >> last, rest = size & ((uint64_t{1} << last) - 1), half = uint64_t{1} << (last - 1);
        return whole + (rest > half || (rest == half && (whole & 1)));
    };
    const int free_last = lead - 10, last = free_last < UNIT - 24 ? UNIT - 24 : free_last;
    const uint64_t rounded = at(last);
    const bool exact = last <= 0 || (size & ((uint64_t{1} << last) - 1)) == 0;
    // Tiny after rounding: below 2^-14 with unbounded exponent.
    const bool tiny = lead < UNIT - 14 && !(lead == UNIT - 15 && at(free_last) == 2048);
    // 1024 * 2^(last - UNIT) has the exponent field last - UNIT + 25; subnormals continue the codes downwards.
    uint64_t code = rounded + (uint64_t(last - (UNIT - 24)) << 10);
    const uint16_t sign = negative ? 0x8000 : 0;
    if (code >= 0x7C00) return {uint16_t(sign | 0x7C00), OF | NX};
    return {uint16_t(sign | code), uint8_t(exact ? 0 : NX | (tiny ? UF : 0))};
}

Word expect(Operand a, Operand b, bool product_negative, Operand c, bool c_negative) {
    const Kind kinds[] = {a.kind, b.kind, c.kind};
    bool nan = false, invalid = false;
    for (Kind kind : kinds) {
        nan |= kind >= QUIET;
        invalid |= kind == SIGNALLING;
    }
    const bool factors = a.kind < QUIET && b.kind < QUIET;
    const bool infinite = factors && (a.kind == INFINITE || b.kind == INFINITE);
    const bool zero = factors && ((a.kind == FINITE && !a.value) || (b.kind == FINITE && !b.value));
    if (infinite && zero) nan = invalid = true;
    if (infinite && c.kind == INFINITE && product_negative != c_negative) nan = invalid = true;
    if (nan) return {0x7E00, uint8_t(invalid ? NV : 0)};
    if (infinite) return {uint16_t(product_negative ? 0xFC00 : 0x7C00), 0};
    if (c.kind == INFINITE) return {uint16_t(c_negative ? 0xFC00 : 0x7C00), 0};
    const __int128 sum = (__int128)a.value * b.value + (__int128)c.value * 256;
    if (sum == 0) {
        const bool both_zero = !a.value || !b.value;
        return {uint16_t(both_zero && product_negative && c_negative ? 0x8000 : 0), 0};
    }
    return round_once(sum < 0, uint64_t(sum < 0 ? -sum : sum));
}

}  // namespace

// Pairs `begin` to `end` of the 32,768 (a, b), each under all 65,536 addends. Returns -1, or the first wrong case as
// lane << 32 | a << 24 | b << 16 | c; `got` and `want` receive d and flags.
LNPU_API int64_t sweep(Harness& h, int e5m2, int64_t begin, int64_t end, uint32_t* got, uint32_t* want) {
    Operand addend[1 << 16];
    for (unsigned c = 0; c < 1 << 16; c++) addend[c] = fp16(c);
    h.model.i_valid = 1;
    h.model.o_ready = 1;
    h.model.i_mode = 1;
    h.model.i_s = 0;
    Word words[2][1 << 16];
    for (int64_t pair = begin; pair < end; pair++) {
        // Lane 1: another pair, multiplication by an odd number permutes them.
        const unsigned pairs[] = {unsigned(pair), unsigned(pair * 12345 + 6789) & 0x7FFF};
        for (int lane = 0; lane < 2; lane++) {
            const Operand a = fp8(pairs[lane] >> 8, e5m2), b = fp8(pairs[lane] & 255, e5m2);
            const bool negative = pairs[lane] & 128;
            for (unsigned c = 0; c < 1 << 16; c++) words[lane][c] = expect(a, b, negative, addend[c], c >> 15);
        }
        h.model.i_a = pairs[0] >> 8 | (pairs[1] >> 8) << 8;
        h.model.i_b = (pairs[0] & 255) | (pairs[1] & 255) << 8;
        for (unsigned c = 0; c < 1 << 16; c++) {
            const unsigned other = (c * 40503u) & 0xFFFF;
            h.model.i_c = c | other << 16;
            h.eval();
            const uint32_t flags = words[0][c].flags | words[1][other].flags << 5;
            const uint32_t d = words[0][c].d | uint32_t(words[1][other].d) << 16;
            if (h.model.o_d != d || h.model.o_flags != flags) {
                got[0] = h.model.o_d, got[1] = h.model.o_flags, want[0] = d, want[1] = flags;
                const bool second = (h.model.o_d & 0xFFFF) == words[0][c].d && (h.model.o_flags & 31) == words[0][c].flags;
                return int64_t(second) << 32 | int64_t(pairs[second]) << 16 | (second ? other : c);
            }
        }
    }
    return -1;
}
