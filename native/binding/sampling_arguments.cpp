#include "binding/sampling_arguments.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "binding/arguments.h"
#include "binding/constraint.h"

namespace ggml_transformers {

namespace {

constexpr int64_t largest_int32 = std::numeric_limits<int32_t>::max();

int32_t to_count(const Napi::Value& value, const std::string& name) {
    return static_cast<int32_t>(to_integer(value, name, 0, largest_int32));
}

int32_t to_version(const Napi::Value& value, const std::string& name) {
    return static_cast<int32_t>(to_integer(value, name, 0, 2));
}

double to_at_least(double least, const Napi::Value& value, const std::string& name) {
    const double number = to_number(value, name);
    if (!(number >= least) || std::isinf(number)) throw wrong_argument("a larger, finite number", name);
    return number;
}

double to_share(const Napi::Value& value, const std::string& name) {
    const double number = to_number(value, name);
    if (!(number > 0.0) || !(number <= 1.0)) throw wrong_argument("a number above 0 and at most 1", name);
    return number;
}

double to_finite(const Napi::Value& value, const std::string& name) {
    const double number = to_number(value, name);
    if (!std::isfinite(number)) throw wrong_argument("a finite number", name);
    return number;
}

double to_probability(const Napi::Value& value, const std::string& name) {
    const double number = to_number(value, name);
    if (!(number >= 0.0) || !(number <= 1.0)) throw wrong_argument("a number from 0 to 1", name);
    return number;
}

double to_positive(const Napi::Value& value, const std::string& name) {
    const double number = to_number(value, name);
    if (!(number > 0.0) || std::isinf(number)) throw wrong_argument("a finite number above 0", name);
    return number;
}

Napi::Array to_array(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsArray()) throw wrong_argument("an array", name);
    return value.As<Napi::Array>();
}

std::vector<std::string> to_names(const Napi::Value& value, const std::string& name) {
    const Napi::Array array = to_array(value, name);
    std::vector<std::string> names;
    for (uint32_t i = 0; i < array.Length(); ++i) names.push_back(to_text(array.Get(i), name + "[]"));
    return names;
}

std::vector<std::vector<int32_t>> to_words(const Napi::Value& value, const std::string& name) {
    const Napi::Array array = to_array(value, name);
    std::vector<std::vector<int32_t>> words;
    for (uint32_t i = 0; i < array.Length(); ++i) {
        words.push_back(to_ids(array.Get(i), name + "[]"));
        if (words.back().empty()) throw wrong_argument("at least one token", name + "[]");
    }
    return words;
}

std::vector<std::pair<int32_t, float>> to_biases(const Napi::Value& value, const std::string& name) {
    const Napi::Object object = to_object(value, name);
    const std::vector<int32_t> ids = to_ids(get_property(object, "ids"), name + ".ids");
    const Napi::Value given = get_property(object, "biases");
    if (!given.IsTypedArray() || given.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array ||
        given.As<Napi::Float32Array>().ElementLength() != ids.size())
        throw wrong_argument("a Float32Array as long as ids", name + ".biases");
    const auto values = given.As<Napi::Float32Array>();
    std::vector<std::pair<int32_t, float>> biases;
    for (size_t i = 0; i < ids.size(); ++i) {
        if (!(values[i] <= std::numeric_limits<float>::max()))
            throw wrong_argument("numbers below infinity", name + ".biases");
        biases.emplace_back(ids[i], values[i]);
    }
    return biases;
}

struct Option {
    const char* key;
    bool required;
    void (*read)(SamplingOptions& options, const Napi::Value& value, const std::string& key);
};

using Options = SamplingOptions;
using Value = Napi::Value;
using Key = std::string;

const Option options_table[] = {
    {"temperature", true,
     [](Options& o, const Value& v, const Key& k) { o.temperature = to_at_least(0.0, v, k); }},
    {"topK", true, [](Options& o, const Value& v, const Key& k) { o.top_k = to_count(v, k); }},
    {"topP", true, [](Options& o, const Value& v, const Key& k) { o.top_p = to_share(v, k); }},
    {"seed", true,
     [](Options& o, const Value& v, const Key& k) {
         o.seed = static_cast<uint32_t>(to_integer(v, k, 0, std::numeric_limits<uint32_t>::max()));
     }},
    {"dynamicRange", false,
     [](Options& o, const Value& v, const Key& k) { o.dynamic_temperature.range = to_at_least(0.0, v, k); }},
    {"dynamicExponent", false,
     [](Options& o, const Value& v, const Key& k) { o.dynamic_temperature.exponent = to_positive(v, k); }},
    {"logitBias", false, [](Options& o, const Value& v, const Key& k) { o.logit_bias = to_biases(v, k); }},
    {"repetitionPenalty", false,
     [](Options& o, const Value& v, const Key& k) { o.repetition_penalty = to_positive(v, k); }},
    {"frequencyPenalty", false,
     [](Options& o, const Value& v, const Key& k) { o.frequency_penalty = to_finite(v, k); }},
    {"presencePenalty", false,
     [](Options& o, const Value& v, const Key& k) { o.presence_penalty = to_finite(v, k); }},
    {"penaltyWindow", false,
     [](Options& o, const Value& v, const Key& k) { o.penalty_window = to_count(v, k); }},
    {"dryMultiplier", false,
     [](Options& o, const Value& v, const Key& k) { o.dry.multiplier = to_at_least(0.0, v, k); }},
    {"dryBase", false, [](Options& o, const Value& v, const Key& k) { o.dry.base = to_at_least(1.0, v, k); }},
    {"dryAllowedLength", false,
     [](Options& o, const Value& v, const Key& k) { o.dry.allowed_length = to_count(v, k); }},
    {"dryWindow", false, [](Options& o, const Value& v, const Key& k) { o.dry.window = to_count(v, k); }},
    {"dryBreakers", false, [](Options& o, const Value& v, const Key& k) { o.dry.breakers = to_ids(v, k); }},
    {"noRepeatNgramSize", false,
     [](Options& o, const Value& v, const Key& k) { o.no_repeat_ngram_size = to_count(v, k); }},
    {"badWords", false, [](Options& o, const Value& v, const Key& k) { o.bad_words = to_words(v, k); }},
    {"minNewTokens", false,
     [](Options& o, const Value& v, const Key& k) { o.min_new_tokens = to_count(v, k); }},
    {"suppressTokens", false,
     [](Options& o, const Value& v, const Key& k) { o.suppress_tokens = to_ids(v, k); }},
    {"topNSigma", false,
     [](Options& o, const Value& v, const Key& k) { o.top_n_sigma = to_at_least(0.0, v, k); }},
    {"minP", false, [](Options& o, const Value& v, const Key& k) { o.min_p = to_probability(v, k); }},
    {"typicalP", false, [](Options& o, const Value& v, const Key& k) { o.typical_p = to_share(v, k); }},
    {"xtcProbability", false,
     [](Options& o, const Value& v, const Key& k) { o.xtc_probability = to_probability(v, k); }},
    {"xtcThreshold", false,
     [](Options& o, const Value& v, const Key& k) { o.xtc_threshold = to_probability(v, k); }},
    {"mirostat", false,
     [](Options& o, const Value& v, const Key& k) { o.mirostat.version = to_version(v, k); }},
    {"mirostatTau", false,
     [](Options& o, const Value& v, const Key& k) { o.mirostat.tau = to_at_least(0.0, v, k); }},
    {"mirostatEta", false,
     [](Options& o, const Value& v, const Key& k) { o.mirostat.eta = to_at_least(0.0, v, k); }},
    {"constraint", false,
     [](Options& o, const Value& v, const Key& k) { o.constraint = NativeConstraint::of(v, k); }},
    {"constrained", false, [](Options& o, const Value& v, const Key& k) { o.constrained = to_ids(v, k); }},
    {"order", false, [](Options& o, const Value& v, const Key& k) { o.order = to_names(v, k); }},
};

void check_names(const Napi::Object& object) {
    const Napi::Array keys = object.GetPropertyNames();
    for (uint32_t i = 0; i < keys.Length(); ++i) {
        const std::string key = to_text(keys.Get(i), "sampling");
        const auto same = [&](const Option& option) { return key == option.key; };
        if (std::any_of(std::begin(options_table), std::end(options_table), same)) continue;
        throw Error(ErrorCode::InvalidArgument, "Unknown sampling option " + key).with("argument", key);
    }
}

}  // namespace

SamplingOptions to_sampling_options(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "sampling");
    check_names(object);
    SamplingOptions options;
    for (const Option& option : options_table) {
        const Napi::Value given = get_property(object, option.key);
        if (option.required || !given.IsUndefined()) option.read(options, given, option.key);
    }
    return options;
}

}  // namespace ggml_transformers
