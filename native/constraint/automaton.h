// The texts a constraint allows, as a recursive transition network over bytes that is made deterministic
// state by state, as texts lead there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace ggml_transformers {

// Rules, and what is repeated, are networks of their own: an edge calls the one that begins at `low` and goes
// on at `target` when one of its final states is reached, or has been often enough. The texts of the network
// are those that lead from state 0 to a final state with no call open.
struct Network {
    enum Kind : int32_t { Bytes = 0, Free = 1, Call = 2, Repeat = 3 };
    struct Edge {
        int32_t kind;
        int32_t low;   // Bytes: the first byte; Call, Repeat: the first state of what is called
        int32_t high;  // Bytes: the last byte; Repeat: the place of its count
        int32_t target;
    };
    // 1 <= least <= most. What is repeated takes a byte or more each time.
    struct Count {
        int32_t least;
        int32_t most;  // no_limit: any number
    };
    static constexpr int32_t no_limit = INT32_MAX;

    std::vector<int32_t>
        first_edges;  // [N + 1] the edges of state i are first_edges[i] to first_edges[i + 1]
    std::vector<Edge> edges;
    std::vector<uint8_t> finals;  // [N]
    std::vector<Count> counts;

    // Throws Error(InvalidArgument) for what leads outside.
    void check() const;
};

class Automaton {
 public:
    using State = int32_t;
    static constexpr State dead = -1;

    // Calls of rules within such calls; deeper ones are not made.
    static constexpr int32_t deepest = 128;

    // `ahead`: bytes that alike() looks at.
    Automaton(Network network, int32_t ahead);
    Automaton(const Automaton&) = delete;
    Automaton& operator=(const Automaton&) = delete;

    State start();
    // Throws Error(Unsupported) where the text can be read in too many ways.
    State step(State state, uint8_t byte) {
        const size_t place = static_cast<size_t>(state) * classes_ + class_of_[byte];
        const State known = transitions_[place];
        return known == unknown ? find_step(state, byte) : known;
    }
    bool accepts(State state) const { return accepts_[static_cast<size_t>(state)] != 0; }
    // No byte can follow.
    bool ends(State state) const { return sets_[static_cast<size_t>(state)].empty(); }
    // A state after which the same `ahead` bytes, or fewer, may follow; the same one for as many as possible.
    State alike(State state);

    int64_t size() const { return static_cast<int64_t>(sets_.size()); }
    // Positions in all states together: what they take in memory.
    int64_t positions() const { return positions_; }
    // All states become invalid.
    void forget();

 private:
    static constexpr State unknown = -2;
    static constexpr int32_t no_call = -1;

    struct Position {
        int32_t state;
        int32_t call;  // the innermost open call, in calls_
    };
    static bool same_position(const Position& a, const Position& b) {
        return a.state == b.state && a.call == b.call;
    }
    struct OpenCall {
        int32_t target;
        int32_t outer;
        int32_t depth;
        int32_t repeat;  // the edge, or -1 for a rule
        int32_t read;    // how often what is repeated has been read before
    };
    struct CallHash {
        size_t operator()(const OpenCall& call) const;
    };
    struct SameCall {
        bool operator()(const OpenCall& a, const OpenCall& b) const;
    };
    using Set = std::vector<Position>;  // those with edges of bytes, sorted

    struct Hash {
        const Automaton* owner;
        size_t operator()(State state) const;
    };
    struct Equal {
        const Automaton* owner;
        bool operator()(State a, State b) const;
    };

    void find_classes();
    State find_step(State state, uint8_t byte);
    void reach(Position from);
    void visit(Position at);
    void leave(int32_t call);
    int32_t open_rule(int32_t target, int32_t outer);
    int32_t open_repeat(int32_t edge, int32_t outer, int32_t read);
    int32_t open(const OpenCall& call);
    int32_t alike_call(size_t call);
    State intern();

    const Network::Count& count_of(const Network::Edge& edge) const {
        return network_.counts[static_cast<size_t>(edge.high)];
    }

    Network network_;
    int32_t ahead_;
    size_t classes_ = 0;
    uint8_t class_of_[256] = {};  // bytes that no edge tells apart

    std::vector<Set> sets_;
    std::vector<uint8_t> accepts_;
    int64_t positions_ = 0;
    std::vector<State> transitions_;  // [states, classes]
    std::unordered_set<State, Hash, Equal> index_;
    std::vector<OpenCall> calls_;
    std::unordered_map<OpenCall, int32_t, CallHash, SameCall> call_index_;
    std::vector<State> alike_;          // by state, or unknown
    std::vector<int32_t> alike_calls_;  // by call

    // The state being made. Their memory is used again.
    Set set_;
    bool accepting_ = false;
    std::vector<Position> pending_;
    std::unordered_set<uint64_t> seen_;
};

}  // namespace ggml_transformers
