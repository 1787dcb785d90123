// A memory behind m_axi and a host on s_axil, for the exported machine: latency, random pauses, faulty addresses,
// and a check of the rules that a manager must keep.

#include <deque>
#include <map>

namespace {

// What the machine did wrong; mirrored in rtl.py.
enum Violation : int32_t { NONE, AR_CHANGED, AW_CHANGED, W_CHANGED, CROSSES_4K, BAD_BURST, WLAST };

struct Burst {
    uint64_t ready;  // cycle from which it is answered
    uint64_t address;
    uint32_t beats;
};

struct Answer {
    uint64_t ready;
    uint8_t response;
};

struct Memory {
    uint8_t* bytes = nullptr;
    uint64_t size = 0, latency = 0, pause = 0, bad_low = 0, bad_high = 0, cycle = 0;
    Random random;
    std::deque<Burst> reads, writes;
    std::deque<Answer> answers;
    uint32_t read_beat = 0, write_beat = 0;
    uint8_t write_response = 0;
    bool offered = false, answering = false;
    int32_t violation = NONE;
    // What was offered and not taken in the cycle before.
    bool ar_held = false, aw_held = false, w_held = false;
    uint64_t ar = 0, aw = 0, w[2] = {0, 0};

    bool go() { return (random.next() >> 40 & 0xFFFF) >= pause; }
    uint8_t response(uint64_t address) const {
        if (address + 8 > size) return 3;
        return address >= bad_low && address < bad_high ? 2 : 0;
    }
    void found(Violation what) {
        if (violation == NONE) violation = what;
    }
    void check(uint64_t address, uint32_t beats, uint8_t size_, uint8_t burst) {
        if (address / 4096 != (address + 8 * beats - 1) / 4096) found(CROSSES_4K);
        if (address % 8 || size_ != 3 || burst != 1) found(BAD_BURST);
    }
};

std::map<Harness*, Memory> memories;

void drive(Harness& h, Memory& m) {
    auto& p = h.model;
    p.m_axi_arready = m.go();
    p.m_axi_awready = m.go();
    p.m_axi_wready = !m.writes.empty() && m.go();
    if (!m.offered) m.offered = !m.reads.empty() && m.reads.front().ready <= m.cycle && m.go();
    p.m_axi_rvalid = m.offered;
    p.m_axi_rdata = m.random.next();
    if (m.offered) {
        const Burst& burst = m.reads.front();
        const uint64_t address = burst.address + 8 * m.read_beat;
        p.m_axi_rresp = m.response(address);
        p.m_axi_rlast = m.read_beat + 1 == burst.beats;
        if (p.m_axi_rresp == 0) std::memcpy(&p.m_axi_rdata, m.bytes + address, 8);
    }
    if (!m.answering) m.answering = !m.answers.empty() && m.answers.front().ready <= m.cycle && m.go();
    p.m_axi_bvalid = m.answering;
    if (m.answering) p.m_axi_bresp = m.answers.front().response;
}

void sample(Harness& h, Memory& m) {
    auto& p = h.model;
    const uint64_t ar = uint64_t(p.m_axi_arlen) << 32 | p.m_axi_araddr, aw = uint64_t(p.m_axi_awlen) << 32 | p.m_axi_awaddr;
    const uint64_t w[2] = {p.m_axi_wdata, uint64_t(p.m_axi_wstrb) << 1 | p.m_axi_wlast};
    if (m.ar_held && (!p.m_axi_arvalid || ar != m.ar)) m.found(AR_CHANGED);
    if (m.aw_held && (!p.m_axi_awvalid || aw != m.aw)) m.found(AW_CHANGED);
    if (m.w_held && (!p.m_axi_wvalid || w[0] != m.w[0] || w[1] != m.w[1])) m.found(W_CHANGED);
    m.ar_held = p.m_axi_arvalid && !p.m_axi_arready;
    m.aw_held = p.m_axi_awvalid && !p.m_axi_awready;
    m.w_held = p.m_axi_wvalid && !p.m_axi_wready;
    m.ar = ar;
    m.aw = aw;
    m.w[0] = w[0];
    m.w[1] = w[1];
    if (m.offered && p.m_axi_rready) {
        m.offered = false;
        if (++m.read_beat == m.reads.front().beats) {
            m.reads.pop_front();
            m.read_beat = 0;
        }
    }
    if (m.answering && p.m_axi_bready) {
        m.answering = false;
        m.answers.pop_front();
    }
    if (p.m_axi_wvalid && p.m_axi_wready) {
        const Burst& burst = m.writes.front();
        const uint64_t address = burst.address + 8 * m.write_beat;
        const uint8_t response = m.response(address);
        if (response) {
            m.write_response = response;
        } else {
            for (int n = 0; n < 8; n++)
                if (p.m_axi_wstrb >> n & 1) m.bytes[address + n] = p.m_axi_wdata >> 8 * n;
        }
        const bool last = ++m.write_beat == burst.beats;
        if (bool(p.m_axi_wlast) != last) m.found(WLAST);
        if (last) {
            m.answers.push_back({m.cycle + m.latency, m.write_response});
            m.writes.pop_front();
            m.write_beat = 0;
            m.write_response = 0;
        }
    }
    if (p.m_axi_arvalid && p.m_axi_arready) {
        const uint32_t beats = p.m_axi_arlen + 1u;
        m.check(p.m_axi_araddr, beats, p.m_axi_arsize, p.m_axi_arburst);
        m.reads.push_back({m.cycle + m.latency, p.m_axi_araddr, beats});
    }
    if (p.m_axi_awvalid && p.m_axi_awready) {
        const uint32_t beats = p.m_axi_awlen + 1u;
        m.check(p.m_axi_awaddr, beats, p.m_axi_awsize, p.m_axi_awburst);
        m.writes.push_back({0, p.m_axi_awaddr, beats});
    }
}

void cycle(Harness& h, Memory& m) {
    drive(h, m);
    h.settle();
    sample(h, m);
    h.edge();
    m.cycle++;
}

}  // namespace

LNPU_API int64_t machine_bind(Harness& h, uint8_t* bytes, int64_t size, int64_t latency, int64_t pause, int64_t seed, int64_t bad_low, int64_t bad_high) {
    Memory& m = memories[&h];
    m.bytes = bytes;
    m.size = size;
    m.latency = latency;
    m.pause = pause;
    m.random.state = seed;
    m.bad_low = bad_low;
    m.bad_high = bad_high;
    return 0;
}

LNPU_API int64_t machine_reset(Harness& h) {
    Memory& m = memories[&h];
    auto& p = h.model;
    p.s_axil_awvalid = p.s_axil_wvalid = p.s_axil_arvalid = 0;
    p.s_axil_bready = p.s_axil_rready = 1;
    p.aresetn = 0;
    for (int n = 0; n < 4; n++) {
        p.m_axi_arready = p.m_axi_awready = p.m_axi_wready = p.m_axi_rvalid = p.m_axi_bvalid = 0;
        h.cycle();
    }
    p.aresetn = 1;
    m.ar_held = m.aw_held = m.w_held = false;
    return 0;
}

// Cycles until the interrupt, at most `limit`; then the limit.
LNPU_API int64_t machine_wait(Harness& h, int64_t limit) {
    Memory& m = memories[&h];
    h.settle();
    for (int64_t n = 0; n < limit; n++) {
        if (h.model.irq) return n;
        cycle(h, m);  // `irq` is a register: it is settled behind the edge
    }
    return limit;
}

LNPU_API int64_t machine_violation(Harness& h) { return memories[&h].violation; }

LNPU_API int64_t machine_write(Harness& h, int64_t address, int64_t value) {
    Memory& m = memories[&h];
    auto& p = h.model;
    p.s_axil_awaddr = address;
    p.s_axil_wdata = value;
    p.s_axil_wstrb = 15;
    p.s_axil_awvalid = p.s_axil_wvalid = 1;
    for (int n = 0; n < 100; n++) {
        drive(h, m);
        h.settle();
        const bool aw = p.s_axil_awready, w = p.s_axil_wready, b = p.s_axil_bvalid;
        const int64_t response = p.s_axil_bresp;
        sample(h, m);
        h.edge();
        m.cycle++;
        if (aw) p.s_axil_awvalid = 0;
        if (w) p.s_axil_wvalid = 0;
        if (b) return response;
    }
    return -1;
}

LNPU_API int64_t machine_read(Harness& h, int64_t address) {
    Memory& m = memories[&h];
    auto& p = h.model;
    p.s_axil_araddr = address;
    p.s_axil_arvalid = 1;
    for (int n = 0; n < 100; n++) {
        drive(h, m);
        h.settle();
        const bool ar = p.s_axil_arready, r = p.s_axil_rvalid;
        const int64_t answer = int64_t(p.s_axil_rresp) << 32 | p.s_axil_rdata;
        sample(h, m);
        h.edge();
        m.cycle++;
        if (ar) p.s_axil_arvalid = 0;
        if (r) return answer;
    }
    return -1;
}
