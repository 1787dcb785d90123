// A mapped netlist beside the compiled Verilog it was made of: the same inputs in every cycle, outputs compared, and in
// the cycles of a sample every transition, glitches included, with the library's delays and energies.
//
// Between samples a cycle is one evaluation of all gates in order. In a sample it is event-driven with inertial delays:
// a pulse shorter than the delay of the gate that makes it does not come out. The clock is ideal.
// Arrays are laid out by `lnpu_sim.gates.arrays`.
#include <algorithm>
#include <map>
#include <memory>
#include <vector>

namespace {

constexpr uint32_t PINS = 6;         // inputs of a gate; tables have 64 rows
constexpr uint32_t RING = 1 << 15;   // ps; longer than any delay

struct Gate {
    uint64_t table;
    uint32_t pins;
    uint32_t net[PINS];
    uint32_t out;
    uint32_t block;
    uint32_t delay[PINS][2];  // ps, to an output that falls, rises
    float energy[PINS][2];    // fJ of that transition and of everything that it drives
};

struct Register {
    uint64_t table;
    uint32_t pins;
    uint32_t net[PINS];
    uint32_t out;      // of the register; ~0: none
    uint32_t inverse;  // ~0: none
    uint32_t gate;     // clock gate, ~0: none
    uint32_t block;
    uint32_t delay[2][2];  // [out, inverse][fall, rise]
    float energy[2][2];
    float clock;  // fJ a cycle in which it has a clock
};

struct ClockGate {
    uint32_t enable;
    uint32_t block;
    float idle, open;  // fJ a cycle, and a cycle in which it lets the clock through
};

struct Ram {
    uint32_t words, bits, address_bits, reads, block;
    uint32_t nets;  // first of its net numbers: for each read port enable, address, data; then write mask, address, data
    uint32_t delay;
    float read, write;  // fJ an access; a write in proportion to the bits of its mask
    float pin;          // fJ a transition at an output
};

struct Wire {
    uint64_t storage;  // address of the port in the model
    uint32_t bit, net;
    uint32_t valid;  // net that says whether an output counts, ~0: always
    float energy[2];
};

struct Event {
    uint32_t gate, serial;
};

enum Kind { COMBINATIONAL, REGISTER, CLOCK, SRAM, INPUT, KINDS };

struct Netlist {
    std::vector<Gate> gates;
    std::vector<Register> registers;
    std::vector<ClockGate> clock_gates;
    std::vector<Ram> rams;
    std::vector<uint32_t> ram_nets;
    std::vector<Wire> inputs, outputs;
    std::vector<uint8_t> value;
    std::vector<std::vector<uint64_t>> contents;
    std::vector<uint32_t> first, fanout;  // of each net: gates that it drives, gate * 8 + pin

    // Event-driven simulation.
    std::vector<uint8_t> row, projected;
    std::vector<uint32_t> serial;
    std::vector<uint8_t> waiting;
    std::vector<std::vector<Event>> ring{RING};
    uint64_t pending = 0;

    // What the last clock edge has done, to be played at the start of the next cycle.
    struct Next {
        uint32_t net;
        uint8_t value;
        uint32_t delay, block;
        uint8_t kind;
        float energy;
    };
    std::vector<Next> next;

    uint32_t blocks = 0;
    std::vector<double> energy;  // [block][kind], fJ, of the sampled cycles
    std::vector<uint64_t> accesses;  // [ram][read, write], sampled cycles
    uint64_t every = 0, window = 0, cycle = 0, sampled = 0, mismatches = 0, first_mismatch = 0, unsettled = 0;
    uint64_t transitions = 0, changes = 0, latest = 0, clocked = 0, registers_seen = 0;
    int64_t bad_output = -1;
    double spent = 0, squares = 0;  // fJ of the cycle that is sampled; sum of squares

    uint32_t row_of(const uint32_t* net, uint32_t pins) const {
        uint32_t at = 0;
        for (uint32_t p = 0; p < pins; p++) at |= uint32_t{value[net[p]]} << p;
        return at;
    }

    void settle() {
        for (const Gate& gate : gates) value[gate.out] = gate.table >> row_of(gate.net, gate.pins) & 1;
    }

    static uint8_t bit(const Wire& wire) {
        return reinterpret_cast<const uint8_t*>(wire.storage)[wire.bit / 8] >> wire.bit % 8 & 1;
    }

    void add(uint32_t block, Kind kind, double amount) {
        energy[block * KINDS + kind] += amount;
        spent += amount;
    }

    // A net has a new value at a time: the gates behind it follow.
    void drive(uint32_t net, uint8_t to, uint64_t now) {
        value[net] = to;
        for (uint32_t i = first[net]; i < first[net + 1]; i++) {
            const uint32_t g = fanout[i] >> 3, pin = fanout[i] & 7;
            const Gate& gate = gates[g];
            row[g] ^= 1u << pin;
            const uint8_t want = gate.table >> row[g] & 1;
            if (want == projected[g]) continue;
            projected[g] = want;
            serial[g]++;
            if (waiting[g]) {  // back to what it shows: the pulse does not come out
                waiting[g] = 0;
                pending--;
                continue;
            }
            waiting[g] = static_cast<uint8_t>(pin + 1);
            pending++;
            ring[(now + gate.delay[pin][want]) % RING].push_back({g, serial[g]});
        }
    }

    void timed() {
        std::vector<uint8_t> before = value;
        for (uint32_t g = 0; g < gates.size(); g++) {
            row[g] = static_cast<uint8_t>(row_of(gates[g].net, gates[g].pins));
            projected[g] = value[gates[g].out];
            waiting[g] = 0;
        }
        // Registers, memories and inputs change at times of their own; few, so one list sorted by time.
        std::vector<Next> starts = next;
        for (const Wire& wire : inputs) {
            const uint8_t now = bit(wire);
            if (now != value[wire.net]) starts.push_back({wire.net, now, 1, 0, INPUT, wire.energy[now]});
        }
        std::stable_sort(starts.begin(), starts.end(), [](const Next& a, const Next& b) { return a.delay < b.delay; });
        size_t at = 0;
        uint64_t last = 0;
        pending = 0;
        for (uint64_t now = 0; pending || at < starts.size(); now++) {
            for (; at < starts.size() && starts[at].delay <= now; at++) {
                const Next& start = starts[at];
                if (value[start.net] == start.value) continue;
                add(start.block, static_cast<Kind>(start.kind), start.energy);
                transitions++;
                drive(start.net, start.value, now);
            }
            auto& bucket = ring[now % RING];
            for (size_t i = 0; i < bucket.size(); i++) {
                const Event event = bucket[i];
                if (!waiting[event.gate] || serial[event.gate] != event.serial) continue;
                const Gate& gate = gates[event.gate];
                const uint32_t pin = waiting[event.gate] - 1u;
                const uint8_t to = projected[event.gate];
                waiting[event.gate] = 0;
                pending--;
                transitions++;
                last = now;
                add(gate.block, COMBINATIONAL, gate.energy[pin][to]);
                drive(gate.out, to, now);
            }
            bucket.clear();
        }
        for (auto& bucket : ring) bucket.clear();
        latest = std::max(latest, last);
        for (size_t net = 0; net < value.size(); net++) changes += before[net] != value[net];
        // The same netlist without delays must agree.
        std::vector<uint8_t> found = value;
        settle();
        unsettled += found != value;
    }

    void clock_edge(bool sample) {
        next.clear();
        auto change = [&](uint32_t net, uint8_t to, uint32_t delay, uint32_t block, Kind kind, float amount) {
            if (value[net] != to) next.push_back({net, to, delay, block, static_cast<uint8_t>(kind), amount});
        };
        if (sample) {
            for (const ClockGate& gate : clock_gates) {
                add(gate.block, CLOCK, gate.idle + (value[gate.enable] ? gate.open : 0));
            }
        }
        for (const Register& r : registers) {
            const bool on = r.gate == ~0u || value[clock_gates[r.gate].enable];
            if (sample) {
                registers_seen++;
                clocked += on;
                if (on) add(r.block, CLOCK, r.clock);
            }
            if (!on) continue;
            const uint8_t to = r.table >> row_of(r.net, r.pins) & 1;
            if (r.out != ~0u) change(r.out, to, r.delay[0][to], r.block, REGISTER, r.energy[0][to]);
            if (r.inverse != ~0u) change(r.inverse, !to, r.delay[1][!to], r.block, REGISTER, r.energy[1][!to]);
        }
        for (size_t n = 0; n < rams.size(); n++) {
            const Ram& ram = rams[n];
            auto& words = contents[n];
            const uint32_t chunks = (ram.bits + 63) / 64;
            const uint32_t* net = &ram_nets[ram.nets];
            auto number = [&](const uint32_t* nets) {
                uint32_t found = 0;
                for (uint32_t i = 0; i < ram.address_bits; i++) found |= uint32_t{value[nets[i]]} << i;
                return found;
            };
            for (uint32_t port = 0; port < ram.reads; port++, net += 1 + ram.address_bits + ram.bits) {
                if (!value[net[0]]) continue;
                const uint32_t address = number(net + 1);
                for (uint32_t i = 0; i < ram.bits; i++) {
                    const uint8_t to = address < ram.words ? words[address * chunks + i / 64] >> i % 64 & 1 : 0;
                    change(net[1 + ram.address_bits + i], to, ram.delay, ram.block, SRAM, ram.pin);
                }
                if (sample) add(ram.block, SRAM, ram.read), accesses[n * 2]++;
            }
            const uint32_t address = number(net + ram.bits);
            uint32_t written = 0;
            for (uint32_t i = 0; i < ram.bits; i++) {
                if (!value[net[i]]) continue;
                written++;
                if (address >= ram.words) continue;
                uint64_t& word = words[address * chunks + i / 64];
                const uint64_t mask = uint64_t{1} << i % 64;
                word = value[net[ram.bits + ram.address_bits + i]] ? word | mask : word & ~mask;
            }
            if (sample && written) add(ram.block, SRAM, ram.write * written / ram.bits), accesses[n * 2 + 1]++;
        }
    }

    // One clock cycle: the model has settled with this cycle's inputs, and is about to take the edge.
    void step() {
        const bool sample = every && cycle % every < window;
        if (sample) {
            sampled++;
            timed();
        } else {
            for (const Next& start : next) value[start.net] = start.value;
            for (const Wire& wire : inputs) value[wire.net] = bit(wire);
            settle();
        }
        for (size_t i = 0; i < outputs.size(); i++) {
            const uint32_t valid = outputs[i].valid;
            if (valid != ~0u && valid != outputs[i].net && !value[valid]) continue;
            if (value[outputs[i].net] != bit(outputs[i])) {
                if (!mismatches) first_mismatch = cycle, bad_output = static_cast<int64_t>(i);
                mismatches++;
            }
        }
        clock_edge(sample);
        squares += spent * spent;
        spent = 0;
        cycle++;
    }
};

std::map<Harness*, std::shared_ptr<Netlist>> netlists;

template <typename T>
std::vector<T> copied(const T* data, uint64_t count) {
    return {data, data + count};
}

}  // namespace

// Counts: gates, registers, clock gates, RAMs, RAM nets, inputs, outputs, nets, blocks.
LNPU_API int64_t gates_open(Harness& h, const uint64_t* counts, const Gate* gates, const Register* registers,
                            const ClockGate* clock_gates, const Ram* rams, const uint32_t* ram_nets, const Wire* inputs,
                            const Wire* outputs) {
    auto owned = std::make_shared<Netlist>();
    netlists[&h] = owned;
    Netlist& n = *owned;
    n.gates = copied(gates, counts[0]);
    n.registers = copied(registers, counts[1]);
    n.clock_gates = copied(clock_gates, counts[2]);
    n.rams = copied(rams, counts[3]);
    n.ram_nets = copied(ram_nets, counts[4]);
    n.inputs = copied(inputs, counts[5]);
    n.outputs = copied(outputs, counts[6]);
    n.value.assign(counts[7], 0);
    n.value[1] = 1;
    n.blocks = static_cast<uint32_t>(counts[8]);
    n.energy.assign(n.blocks * KINDS, 0);
    n.accesses.assign(n.rams.size() * 2, 0);
    for (const Ram& ram : n.rams) n.contents.emplace_back(uint64_t{ram.words} * ((ram.bits + 63) / 64));
    n.row.assign(n.gates.size(), 0);
    n.projected = n.waiting = n.row;
    n.serial.assign(n.gates.size(), 0);
    n.first.assign(counts[7] + 1, 0);
    for (const Gate& gate : n.gates)
        for (uint32_t p = 0; p < gate.pins; p++) n.first[gate.net[p] + 1]++;
    for (uint64_t i = 0; i < counts[7]; i++) n.first[i + 1] += n.first[i];
    n.fanout.assign(n.first.back(), 0);
    std::vector<uint32_t> at(n.first.begin(), n.first.end() - 1);
    for (uint32_t g = 0; g < n.gates.size(); g++)
        for (uint32_t p = 0; p < n.gates[g].pins; p++) n.fanout[at[n.gates[g].net[p]]++] = g << 3 | p;
    n.settle();
    h.before_edge = [owned] { owned->step(); };
    return 0;
}

// Sample `window` cycles of every `every` from now on; what was summed before is forgotten.
LNPU_API int64_t gates_sample(Harness& h, uint64_t every, uint64_t window) {
    Netlist& netlist = *netlists.at(&h);
    netlist.every = every;
    netlist.window = window;
    netlist.cycle = netlist.sampled = netlist.mismatches = netlist.unsettled = 0;
    netlist.transitions = netlist.changes = netlist.latest = netlist.clocked = netlist.registers_seen = 0;
    netlist.spent = netlist.squares = 0;
    std::fill(netlist.energy.begin(), netlist.energy.end(), 0.0);
    std::fill(netlist.accesses.begin(), netlist.accesses.end(), 0);
    return 0;
}

// energy: [blocks][kinds] fJ. accesses: [rams][read, write]. numbers: see `lnpu_sim.gates.simulate`.
LNPU_API int64_t gates_result(Harness& h, double* energy, uint64_t* accesses, uint64_t* numbers, double* squares) {
    const Netlist& netlist = *netlists.at(&h);
    std::copy(netlist.energy.begin(), netlist.energy.end(), energy);
    std::copy(netlist.accesses.begin(), netlist.accesses.end(), accesses);
    const uint64_t found[] = {netlist.cycle,          netlist.sampled,     netlist.mismatches, netlist.first_mismatch,
                              uint64_t(netlist.bad_output), netlist.unsettled, netlist.transitions, netlist.changes,
                              netlist.latest,         netlist.clocked,     netlist.registers_seen};
    std::copy(std::begin(found), std::end(found), numbers);
    *squares = netlist.squares;
    return 0;
}

LNPU_API int64_t gates_close(Harness& h) {
    h.before_edge = nullptr;
    netlists.erase(&h);
    return 0;
}

LNPU_API int64_t gates_sizes(Harness&, uint64_t* sizes) {
    const uint64_t found[] = {sizeof(Gate), sizeof(Register), sizeof(ClockGate), sizeof(Ram), sizeof(Wire), KINDS, RING};
    std::copy(std::begin(found), std::end(found), sizes);
    return 0;
}
