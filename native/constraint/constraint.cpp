#include "constraint/constraint.h"

#include <algorithm>

namespace ggml_transformers {

namespace {

// What is remembered: each state takes some hundred bytes, each continuation a bit for every token.
constexpr int64_t most_states = 1 << 14;
constexpr int64_t most_positions = 1 << 20;
constexpr int64_t most_continuations = 1 << 9;

}  // namespace

std::shared_ptr<const Continuation> Constraint::after(const int32_t* tokens, int64_t count, Cursor& cursor) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (automaton_.size() > most_states || automaton_.positions() > most_positions) {
        automaton_.forget();
        forget_tokens();
        ++age_;
    }
    go(tokens, count, cursor);
    if (cursor.state_ == Automaton::dead) return find(Automaton::dead);
    const auto at = static_cast<size_t>(cursor.state_);
    if (at < known_.size() && known_[at]) return known_[at];
    if (known_count_ >= most_continuations) forget_tokens();
    const std::shared_ptr<const Continuation> found = find(cursor.state_);
    known_.resize(std::max(known_.size(), at + 1));
    known_[at] = found;
    ++known_count_;
    return found;
}

void Constraint::forget_tokens() {
    known_.clear();
    known_count_ = 0;
    usual_tokens_.clear();
}

void Constraint::go(const int32_t* tokens, int64_t count, Cursor& cursor) {
    const auto read_before = cursor.tokens_.size();
    const bool goes_on = cursor.age_ == age_ && read_before <= static_cast<size_t>(count) &&
                         std::equal(cursor.tokens_.begin(), cursor.tokens_.end(), tokens);
    if (!goes_on) {
        cursor.tokens_.clear();
        cursor.state_ = automaton_.start();
        cursor.age_ = age_;
    }
    for (auto i = static_cast<int64_t>(cursor.tokens_.size()); i < count; ++i) read(tokens[i], cursor);
}

void Constraint::read(int32_t id, Cursor& cursor) {
    cursor.tokens_.push_back(id);
    const bool is_text =
        id >= 0 && id < vocabulary_->vocabulary() && vocabulary_->begin(id) != vocabulary_->end(id);
    if (!is_text) cursor.state_ = Automaton::dead;
    if (cursor.state_ == Automaton::dead) return;
    for (const uint8_t* byte = vocabulary_->begin(id); byte != vocabulary_->end(id); ++byte) {
        cursor.state_ = automaton_.step(cursor.state_, *byte);
        if (cursor.state_ == Automaton::dead) return;
    }
}

std::shared_ptr<const Continuation> Constraint::find(Automaton::State state) {
    auto found = std::make_shared<Continuation>();
    if (state == Automaton::dead) {
        found->tokens.resize(words());
        return found;
    }
    found->complete = automaton_.accepts(state);
    found->ends = found->complete && automaton_.ends(state);
    found->tokens = usual_tokens(automaton_.alike(state));
    allow(vocabulary_->long_nodes(), state, found->tokens);
    return found;
}

const std::vector<uint64_t>& Constraint::usual_tokens(Automaton::State state) {
    const auto [found, is_new] = usual_tokens_.try_emplace(state);
    if (is_new) {
        found->second.resize(words());
        allow(vocabulary_->usual_nodes(), state, found->second);
    }
    return found->second;
}

void Constraint::allow(const std::vector<TokenTrie::Node>& nodes, Automaton::State state,
                       std::vector<uint64_t>& tokens) {
    path_.resize(static_cast<size_t>(vocabulary_->depth()) + 1);
    Automaton::State* const path = path_.data();
    path[0] = state;
    const TokenTrie::Node* const end = nodes.data() + nodes.size();
    for (const TokenTrie::Node* node = nodes.data(); node != end;) {
        const Automaton::State next = automaton_.step(path[node->depth], node->byte);
        if (next == Automaton::dead) {
            node = nodes.data() + node->skip;
            continue;
        }
        path[node->depth + size_t{1}] = next;
        for (int32_t id = node->token; id >= 0; id = vocabulary_->twin(id))
            tokens[static_cast<size_t>(id) / 64] |= uint64_t{1} << (static_cast<uint32_t>(id) % 64);
        ++node;
    }
}

}  // namespace ggml_transformers
