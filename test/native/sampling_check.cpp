// Chooses tokens from given logits, without a model and without Node.
//
//   sampling_check < COMMANDS
//
// Lines: "OPTION VALUE..." for the names below, "logits V...", "tokens ID...", "generated N",
// "append 1" to have each drawn token follow the others, "steps N" or "draws N". After "steps" it prints, as
// JSON, for each of N choices the token, its log-probability by log_probability() and the candidates left;
// after "draws" how often each token was drawn.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "engine/error.h"
#include "sampling/chain.h"

namespace {

using namespace ggml_transformers;

struct Task {
    SamplingOptions options;
    std::vector<float> logits;
    std::vector<int32_t> tokens;
    int64_t generated = 0;
    bool append = false;
    size_t steps = 0, draws = 0;
};

template <class T>
std::vector<T> rest(std::istringstream& words) {
    std::vector<T> values;
    for (std::string word; words >> word;) values.push_back(static_cast<T>(std::stod(word)));
    return values;
}

bool read_draw_option(const std::string& name, std::istringstream& words, SamplingOptions& o) {
    if (name == "temperature") return bool(words >> o.temperature);
    if (name == "dynamicTemperature")
        return bool(words >> o.dynamic_temperature.range >> o.dynamic_temperature.exponent);
    if (name == "topK") return bool(words >> o.top_k);
    if (name == "topP") return bool(words >> o.top_p);
    if (name == "minP") return bool(words >> o.min_p);
    if (name == "typicalP") return bool(words >> o.typical_p);
    if (name == "topNSigma") return bool(words >> o.top_n_sigma);
    if (name == "xtc") return bool(words >> o.xtc_probability >> o.xtc_threshold);
    if (name == "mirostat") return bool(words >> o.mirostat.version >> o.mirostat.tau >> o.mirostat.eta);
    if (name == "seed") return bool(words >> o.seed);
    if (name != "order") return false;
    for (std::string each; words >> each;) o.order.push_back(each);
    return true;
}

bool read_adjusting_option(const std::string& name, std::istringstream& words, SamplingOptions& o) {
    if (name == "repetitionPenalty") return bool(words >> o.repetition_penalty);
    if (name == "frequencyPenalty") return bool(words >> o.frequency_penalty);
    if (name == "presencePenalty") return bool(words >> o.presence_penalty);
    if (name == "penaltyWindow") return bool(words >> o.penalty_window);
    if (name == "noRepeatNgramSize") return bool(words >> o.no_repeat_ngram_size);
    if (name == "minNewTokens") {
        words >> o.min_new_tokens;
        o.stop_ids = rest<int32_t>(words);
    } else if (name == "badWord") {
        o.bad_words.push_back(rest<int32_t>(words));
    } else if (name == "suppressTokens") {
        o.suppress_tokens = rest<int32_t>(words);
    } else if (name == "logitBias") {
        o.logit_bias.emplace_back();
        return bool(words >> o.logit_bias.back().first >> o.logit_bias.back().second);
    } else if (name == "dry") {
        words >> o.dry.multiplier >> o.dry.base >> o.dry.allowed_length >> o.dry.window;
        o.dry.breakers = rest<int32_t>(words);
    } else {
        return read_draw_option(name, words, o);
    }
    return true;
}

bool read_line(const std::string& name, std::istringstream& words, Task& task) {
    if (name == "logits")
        task.logits = rest<float>(words);
    else if (name == "tokens")
        task.tokens = rest<int32_t>(words);
    else if (name == "generated")
        words >> task.generated;
    else if (name == "append")
        words >> task.append;
    else if (name == "steps")
        words >> task.steps;
    else if (name == "draws")
        words >> task.draws;
    else
        return read_adjusting_option(name, words, task.options);
    return true;
}

int32_t choose(SamplerChain& chain, Task& task) {
    const auto vocabulary = static_cast<int64_t>(task.logits.size());
    const int32_t id = chain.sample(task.logits.data(), vocabulary, task.tokens.data(),
                                    static_cast<int64_t>(task.tokens.size()), task.generated);
    if (task.append) {
        task.tokens.push_back(id);
        ++task.generated;
    }
    return id;
}

void print_steps(SamplerChain& chain, Task& task) {
    const auto vocabulary = static_cast<int64_t>(task.logits.size());
    std::printf("[");
    for (size_t step = 0; step < task.steps; ++step) {
        const int32_t id = choose(chain, task);
        std::printf("%s{\"id\": %d, \"logprob\": %.17g, \"candidates\": [", step ? ", " : "", id,
                    log_probability(task.logits.data(), vocabulary, id));
        const Candidates& candidates = chain.candidates();
        for (size_t i = 0; i < candidates.size(); ++i) {
            const float logit = std::max(candidates[i].logit, -1e30f);  // JSON has no infinity
            std::printf("%s[%d, %.9g]", i ? ", " : "", candidates[i].id, static_cast<double>(logit));
        }
        std::printf("]}");
    }
    std::printf("]\n");
}

void print_draws(SamplerChain& chain, Task& task) {
    std::vector<int> counts(task.logits.size());
    for (size_t draw = 0; draw < task.draws; ++draw) ++counts[static_cast<size_t>(choose(chain, task))];
    for (size_t i = 0; i < counts.size(); ++i) std::printf("%s%d", i ? ", " : "[", counts[i]);
    std::printf("]\n");
}

}  // namespace

int main() {
    Task task;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string name;
        words >> name;
        if (!read_line(name, words, task)) {
            std::fprintf(stderr, "Cannot read: %s\n", line.c_str());
            return 2;
        }
    }
    try {
        SamplerChain chain(task.options);
        if (task.steps > 0) print_steps(chain, task);
        if (task.draws > 0) print_draws(chain, task);
        return 0;
    } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
