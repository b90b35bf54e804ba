// What a text may be, in tokens: after some of them, which may come next.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "constraint/automaton.h"
#include "constraint/token_trie.h"

namespace ggml_transformers {

// What may follow a text.
struct Continuation {
    std::vector<uint64_t> tokens;  // a bit for each
    bool complete = false;         // the text may end here
    bool ends = false;             // and must

    bool allows(int32_t id) const {
        const size_t word = static_cast<size_t>(id) / 64;
        return word < tokens.size() && (tokens[word] >> (static_cast<uint32_t>(id) % 64) & 1) != 0;
    }
};

// Shared by all requests that ask for the same; what one has found out, the others know.
class Constraint {
 public:
    Constraint(Network network, std::shared_ptr<const TokenTrie> vocabulary)
        : automaton_(std::move(network), TokenTrie::usual), vocabulary_(std::move(vocabulary)) {}

    // Where a request's text has led, so that only what is new of it need be read.
    class Cursor {
        friend class Constraint;
        std::vector<int32_t> tokens_;
        Automaton::State state_ = Automaton::dead;
        uint64_t age_ = 0;
    };

    // What may follow the text of tokens [count], nothing after one that is not allowed. Throws
    // Error(Unsupported) where the text can be read in too many ways.
    std::shared_ptr<const Continuation> after(const int32_t* tokens, int64_t count, Cursor& cursor);

 private:
    void go(const int32_t* tokens, int64_t count, Cursor& cursor);
    void read(int32_t id, Cursor& cursor);
    std::shared_ptr<const Continuation> find(Automaton::State state);
    // Of at most TokenTrie::usual bytes: the same for all states that are alike.
    const std::vector<uint64_t>& usual_tokens(Automaton::State state);
    // Adds those that may follow.
    void allow(const std::vector<TokenTrie::Node>& nodes, Automaton::State state,
               std::vector<uint64_t>& tokens);
    void forget_tokens();
    size_t words() const { return static_cast<size_t>((vocabulary_->vocabulary() + 63) / 64); }

    std::mutex mutex_;
    Automaton automaton_;
    std::shared_ptr<const TokenTrie> vocabulary_;
    std::vector<std::shared_ptr<const Continuation>> known_;  // by state
    int64_t known_count_ = 0;
    std::unordered_map<Automaton::State, std::vector<uint64_t>> usual_tokens_;
    uint64_t age_ = 1;  // times that the automaton has forgotten its states
    std::vector<Automaton::State> path_;
};

}  // namespace ggml_transformers
