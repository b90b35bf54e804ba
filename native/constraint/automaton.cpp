#include "constraint/automaton.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/error.h"

namespace ggml_transformers {

namespace {

// Ways of reading a text at once, states made of them, and all ways in these: more are a mistake, or meant to
// do harm.
constexpr size_t most_positions = 1 << 14;
constexpr size_t most_states = 1 << 16;
constexpr int64_t most_positions_of_all = 1 << 22;

uint64_t pair_key(int32_t a, int32_t b) {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}

uint64_t mixed(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ (hash >> 29);
}

Error wrong_network(const std::string& what) {
    return Error(ErrorCode::InvalidArgument, "Expected a sound automaton but " + what)
        .with("argument", "automaton");
}

}  // namespace

void Network::check() const {
    const auto states = static_cast<int64_t>(finals.size());
    if (states == 0 || first_edges.size() != finals.size() + 1) throw wrong_network("it has no states");
    if (first_edges.front() != 0 || first_edges.back() != static_cast<int64_t>(edges.size()) ||
        !std::is_sorted(first_edges.begin(), first_edges.end()))
        throw wrong_network("its edges are out of order");
    const auto is_state = [&](int32_t i) { return i >= 0 && i < states; };
    for (const Edge& edge : edges) {
        const bool bytes = edge.kind == Bytes && edge.low >= 0 && edge.low <= edge.high && edge.high <= 255;
        const bool call = edge.kind == Call && is_state(edge.low);
        if (!is_state(edge.target) || !(bytes || call || edge.kind == Free))
            throw wrong_network("an edge leads nowhere");
    }
}

Automaton::Automaton(Network network) : network_(std::move(network)), index_(16, Hash{this}, Equal{this}) {
    network_.check();
    find_classes();
}

void Automaton::find_classes() {
    bool begins[257] = {true};
    for (const Network::Edge& edge : network_.edges) {
        if (edge.kind == Network::Bytes) begins[edge.low] = begins[edge.high + 1] = true;
    }
    for (int byte = 0; byte < 256; ++byte) {
        classes_ += begins[byte] ? 1 : 0;
        class_of_[byte] = static_cast<uint8_t>(classes_ - 1);
    }
}

void Automaton::forget() {
    index_.clear();
    sets_.clear();
    accepts_.clear();
    positions_ = 0;
    transitions_.clear();
    calls_.clear();
    call_index_.clear();
}

Automaton::State Automaton::start() {
    set_.clear();
    seen_.clear();
    accepting_ = false;
    reach({0, no_call});
    return intern();
}

Automaton::State Automaton::find_step(State state, uint8_t byte) {
    set_.clear();
    seen_.clear();
    accepting_ = false;
    const Set from = sets_[static_cast<size_t>(state)];  // a copy: interning moves them
    for (const Position& at : from) {
        const auto i = static_cast<size_t>(at.state);
        for (int32_t e = network_.first_edges[i]; e < network_.first_edges[i + 1]; ++e) {
            const Network::Edge& edge = network_.edges[static_cast<size_t>(e)];
            if (edge.kind == Network::Bytes && edge.low <= byte && byte <= edge.high)
                reach({edge.target, at.call});
        }
    }
    const State next = set_.empty() && !accepting_ ? dead : intern();
    transitions_[static_cast<size_t>(state) * classes_ + class_of_[byte]] = next;
    return next;
}

// Everything that can be reached from there without a byte.
void Automaton::reach(Position from) {
    pending_.assign(1, from);
    while (!pending_.empty()) {
        const Position at = pending_.back();
        pending_.pop_back();
        if (!seen_.insert(pair_key(at.state, at.call)).second) continue;
        if (seen_.size() > most_positions)
            throw Error(ErrorCode::Unsupported, "The constraint can be read in too many ways at once")
                .with("limit", static_cast<int64_t>(most_positions));
        visit(at);
    }
}

void Automaton::visit(Position at) {
    const auto i = static_cast<size_t>(at.state);
    if (network_.finals[i] != 0) {
        if (at.call == no_call) {
            accepting_ = true;
        } else {
            const OpenCall& call = calls_[static_cast<size_t>(at.call)];
            pending_.push_back({call.target, call.outer});
        }
    }
    bool has_bytes = false;
    for (int32_t e = network_.first_edges[i]; e < network_.first_edges[i + 1]; ++e) {
        const Network::Edge& edge = network_.edges[static_cast<size_t>(e)];
        has_bytes = has_bytes || edge.kind == Network::Bytes;
        if (edge.kind == Network::Free) pending_.push_back({edge.target, at.call});
        if (edge.kind == Network::Call) {
            const int32_t call = open_call(edge.target, at.call);
            if (call != no_call) pending_.push_back({edge.low, call});
        }
    }
    if (has_bytes) set_.push_back(at);
}

int32_t Automaton::open_call(int32_t target, int32_t outer) {
    const int32_t depth = outer == no_call ? 1 : calls_[static_cast<size_t>(outer)].depth + 1;
    if (depth > deepest) return no_call;
    const auto next = static_cast<int32_t>(calls_.size());
    const auto [found, is_new] = call_index_.emplace(pair_key(target, outer), next);
    if (is_new) calls_.push_back({target, outer, depth});
    return found->second;
}

Automaton::State Automaton::intern() {
    std::sort(set_.begin(), set_.end(), [](const Position& a, const Position& b) {
        return a.state != b.state ? a.state < b.state : a.call < b.call;
    });
    if (sets_.size() >= most_states || positions_ >= most_positions_of_all)
        throw Error(ErrorCode::Unsupported, "The constraint has too many states")
            .with("limit", static_cast<int64_t>(most_states));
    const auto next = static_cast<State>(sets_.size());
    sets_.push_back(set_);
    accepts_.push_back(accepting_ ? 1 : 0);
    const auto [found, is_new] = index_.insert(next);
    if (is_new) {
        positions_ += static_cast<int64_t>(set_.size());
        transitions_.resize(transitions_.size() + classes_, unknown);
    } else {
        sets_.pop_back();
        accepts_.pop_back();
    }
    return *found;
}

size_t Automaton::Hash::operator()(State state) const {
    const auto i = static_cast<size_t>(state);
    uint64_t hash = owner->accepts_[i];
    for (const Position& at : owner->sets_[i]) hash = mixed(hash, pair_key(at.state, at.call));
    return static_cast<size_t>(hash);
}

bool Automaton::Equal::operator()(State a, State b) const {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    const auto same = [](const Position& x, const Position& y) {
        return x.state == y.state && x.call == y.call;
    };
    const Set &x = owner->sets_[i], &y = owner->sets_[j];
    return owner->accepts_[i] == owner->accepts_[j] && x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(), same);
}

}  // namespace ggml_transformers
