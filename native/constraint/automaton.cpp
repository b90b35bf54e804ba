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
        const bool repeat = edge.kind == Repeat && is_state(edge.low) && edge.high >= 0 &&
                            edge.high < static_cast<int64_t>(counts.size());
        if (!is_state(edge.target) || !(bytes || call || repeat || edge.kind == Free))
            throw wrong_network("an edge leads nowhere");
    }
    for (const Count& count : counts) {
        if (count.least < 1 || count.most < count.least) throw wrong_network("it repeats in no way");
    }
}

Automaton::Automaton(Network network, int32_t ahead)
    : network_(std::move(network)), ahead_(ahead), index_(16, Hash{this}, Equal{this}) {
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
    alike_.clear();
    alike_calls_.clear();
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
        if (at.call == no_call)
            accepting_ = true;
        else
            leave(at.call);
    }
    bool has_bytes = false;
    for (int32_t e = network_.first_edges[i]; e < network_.first_edges[i + 1]; ++e) {
        const Network::Edge& edge = network_.edges[static_cast<size_t>(e)];
        has_bytes = has_bytes || edge.kind == Network::Bytes;
        if (edge.kind == Network::Free) pending_.push_back({edge.target, at.call});
        if (edge.kind == Network::Repeat) pending_.push_back({edge.low, open_repeat(e, at.call, 0)});
        if (edge.kind == Network::Call) {
            const int32_t call = open_rule(edge.target, at.call);
            if (call != no_call) pending_.push_back({edge.low, call});
        }
    }
    if (has_bytes) set_.push_back(at);
}

// At the end of what was called.
void Automaton::leave(int32_t at) {
    const OpenCall call = calls_[static_cast<size_t>(at)];  // a copy: opening moves them
    if (call.repeat < 0) {
        pending_.push_back({call.target, call.outer});
        return;
    }
    const Network::Edge& edge = network_.edges[static_cast<size_t>(call.repeat)];
    const Network::Count& count = count_of(edge);
    const bool is_enough = call.read + 1 >= count.least;
    if (is_enough) pending_.push_back({call.target, call.outer});
    if (call.read + 1 == count.most) return;
    // Without a limit nobody counts on.
    const int32_t read = is_enough && count.most == Network::no_limit ? count.least - 1 : call.read + 1;
    pending_.push_back({edge.low, open_repeat(call.repeat, call.outer, read)});
}

int32_t Automaton::open_rule(int32_t target, int32_t outer) {
    const int32_t depth = outer == no_call ? 1 : calls_[static_cast<size_t>(outer)].depth + 1;
    return depth > deepest ? no_call : open({target, outer, depth, -1, 0});
}

int32_t Automaton::open_repeat(int32_t edge, int32_t outer, int32_t read) {
    const int32_t depth = outer == no_call ? 0 : calls_[static_cast<size_t>(outer)].depth;
    return open({network_.edges[static_cast<size_t>(edge)].target, outer, depth, edge, read});
}

int32_t Automaton::open(const OpenCall& call) {
    const auto [found, is_new] = call_index_.emplace(call, static_cast<int32_t>(calls_.size()));
    if (is_new) calls_.push_back(call);
    return found->second;
}

Automaton::State Automaton::alike(State state) {
    if (network_.counts.empty()) return state;
    const auto at = static_cast<size_t>(state);
    if (at < alike_.size() && alike_[at] != unknown) return alike_[at];
    while (alike_calls_.size() < calls_.size()) alike_calls_.push_back(alike_call(alike_calls_.size()));
    set_ = sets_[at];
    accepting_ = false;  // what may follow has nothing to do with it
    for (Position& position : set_) {
        if (position.call != no_call) position.call = alike_calls_[static_cast<size_t>(position.call)];
    }
    const State found = intern();
    alike_.resize(std::max(alike_.size(), at + 1), unknown);
    return alike_[at] = found;
}

// The call after which the same may be read, as far as `ahead_` bytes can tell. Each time that something
// repeated is read takes a byte, so within n bytes after a call with r read that becomes r + n at most.
// Whether it is enough by then, and whether it is the most, are all that is ever asked. Two calls for which
// the answers are the same with r + 1 to r + `ahead_` therefore let the same follow, when they are in the
// same outer call; and so they do in outer calls of which all this is true in turn.
int32_t Automaton::alike_call(size_t at) {
    OpenCall call = calls_[at];
    if (call.outer != no_call) call.outer = alike_calls_[static_cast<size_t>(call.outer)];  // made before
    if (call.repeat >= 0) {
        const Network::Count& count = count_of(network_.edges[static_cast<size_t>(call.repeat)]);
        if (call.read + 1 >= count.least) {
            if (count.most - call.read > ahead_) call.read = count.least - 1;
        } else if (count.least - call.read > ahead_) {
            call.read = 0;
        }
    }
    return open(call);
}

Automaton::State Automaton::intern() {
    std::sort(set_.begin(), set_.end(), [](const Position& a, const Position& b) {
        return a.state != b.state ? a.state < b.state : a.call < b.call;
    });
    set_.erase(std::unique(set_.begin(), set_.end(), same_position), set_.end());
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

size_t Automaton::CallHash::operator()(const OpenCall& call) const {
    return static_cast<size_t>(mixed(pair_key(call.target, call.outer), pair_key(call.repeat, call.read)));
}

bool Automaton::SameCall::operator()(const OpenCall& a, const OpenCall& b) const {
    return a.target == b.target && a.outer == b.outer && a.repeat == b.repeat && a.read == b.read;
}

size_t Automaton::Hash::operator()(State state) const {
    const auto i = static_cast<size_t>(state);
    uint64_t hash = owner->accepts_[i];
    for (const Position& at : owner->sets_[i]) hash = mixed(hash, pair_key(at.state, at.call));
    return static_cast<size_t>(hash);
}

bool Automaton::Equal::operator()(State a, State b) const {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    const Set &x = owner->sets_[i], &y = owner->sets_[j];
    return owner->accepts_[i] == owner->accepts_[j] && x.size() == y.size() &&
           std::equal(x.begin(), x.end(), y.begin(), same_position);
}

}  // namespace ggml_transformers
