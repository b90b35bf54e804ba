// Compares what a constraint lets follow with what its automaton does, token by token, without anything shared.
//
//   constraint_check SEED WALKS STEPS < NUMBERS
//
// The numbers: how many tokens; of each, its length and its bytes; then automata up to the end. Of each, how
// many states, where their edges begin, and whether they are final; how many edges, and four numbers of each;
// how many counts, and two numbers of each. Through each automaton lead random texts of so many tokens. Prints
// as JSON, for each, after how many texts all tokens were compared ("compared"), for how many another state
// answered ("shared"), for how many of the tokens the answers differed ("different"), and "refused" where
// there were too many ways; and of the last text, its tokens ("text"), whether it was complete ("complete") and
// the tokens that could not follow ("never").
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <vector>

#include "constraint/constraint.h"
#include "engine/error.h"

namespace {

using namespace ggml_transformers;

int32_t number() {
    int32_t value = 0;
    if (!(std::cin >> value)) std::exit(1);
    return value;
}

template <class T>
std::vector<T> numbers(int32_t count) {
    std::vector<T> values;
    for (int32_t i = 0; i < count; ++i) values.push_back(static_cast<T>(number()));
    return values;
}

std::shared_ptr<const TokenTrie> read_vocabulary() {
    std::vector<uint8_t> bytes;
    std::vector<int32_t> offsets{0};
    for (int32_t tokens = number(); tokens > 0; --tokens) {
        const auto token = numbers<uint8_t>(number());
        bytes.insert(bytes.end(), token.begin(), token.end());
        offsets.push_back(static_cast<int32_t>(bytes.size()));
    }
    return std::make_shared<const TokenTrie>(bytes, offsets);
}

Network read_network(int32_t states) {
    Network network;
    network.first_edges = numbers<int32_t>(states + 1);
    network.finals = numbers<uint8_t>(states);
    for (int32_t edges = number(); edges > 0; --edges) {
        const auto edge = numbers<int32_t>(4);
        network.edges.push_back({edge[0], edge[1], edge[2], edge[3]});
    }
    for (int32_t counts = number(); counts > 0; --counts) {
        const auto count = numbers<int32_t>(2);
        network.counts.push_back({count[0], count[1]});
    }
    return network;
}

struct Found {
    int64_t compared = 0, shared = 0, different = 0;
    bool refused = false, complete = false;
    std::vector<int32_t> text, never;
};

Automaton::State after(Automaton& automaton, Automaton::State state, const TokenTrie& tokens, int32_t id) {
    for (const uint8_t* byte = tokens.begin(id); byte != tokens.end(id) && state != Automaton::dead; ++byte)
        state = automaton.step(state, *byte);
    return state;
}

void walk(Constraint& constraint, Automaton& plain, const TokenTrie& tokens, std::mt19937& random, int steps,
          Found& found) {
    std::vector<int32_t>& text = found.text;
    text.clear();
    std::vector<int32_t> allowed;
    Constraint::Cursor cursor;
    Automaton::State state = plain.start();
    for (int step = 0; step < steps; ++step) {
        const auto next = constraint.after(text.data(), static_cast<int64_t>(text.size()), cursor);
        allowed.clear();
        found.never.clear();
        found.complete = plain.accepts(state);
        for (int32_t id = 0; id < tokens.vocabulary(); ++id) {
            const bool is_empty = tokens.begin(id) == tokens.end(id);
            const bool follows = !is_empty && after(plain, state, tokens, id) != Automaton::dead;
            if (!is_empty) (follows ? allowed : found.never).push_back(id);
            found.different += next->allows(id) == follows ? 0 : 1;
        }
        found.different += next->complete == found.complete ? 0 : 1;
        ++found.compared;
        found.shared += plain.alike(state) == state ? 0 : 1;
        if (allowed.empty() || step + 1 == steps) return;
        text.push_back(allowed[random() % allowed.size()]);
        state = after(plain, state, tokens, text.back());
    }
}

Found compare(const Network& network, const std::shared_ptr<const TokenTrie>& tokens, std::mt19937& random,
              int walks, int steps) {
    Found found;
    try {
        Constraint constraint(network, tokens);
        Automaton plain(network, TokenTrie::usual);
        for (int i = 0; i < walks; ++i) walk(constraint, plain, *tokens, random, steps, found);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unsupported) throw;
        found.refused = true;
    }
    return found;
}

void print(const char* name, const std::vector<int32_t>& ids) {
    std::printf(",\"%s\":[", name);
    for (size_t i = 0; i < ids.size(); ++i) std::printf("%s%d", i == 0 ? "" : ",", ids[i]);
    std::printf("]");
}

const char* json(bool value) { return value ? "true" : "false"; }

void print(const Found& found) {
    std::printf("{\"compared\":%lld,\"shared\":%lld,\"different\":%lld,\"refused\":%s,\"complete\":%s",
                static_cast<long long>(found.compared), static_cast<long long>(found.shared),
                static_cast<long long>(found.different), json(found.refused), json(found.complete));
    print("text", found.text);
    print("never", found.never);
    std::printf("}");
}

}  // namespace

int main(int, char** arguments) {
    std::mt19937 random(static_cast<uint32_t>(std::atoi(arguments[1])));
    const auto tokens = read_vocabulary();
    std::printf("[");
    for (int32_t states = 0, i = 0; std::cin >> states; ++i) {
        if (i > 0) std::printf(",");
        print(compare(read_network(states), tokens, random, std::atoi(arguments[2]),
                      std::atoi(arguments[3])));
    }
    std::printf("]\n");
    return 0;
}
