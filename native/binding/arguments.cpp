#include "binding/arguments.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "binding/sampling_arguments.h"
#include "engine/error.h"

namespace ggml_transformers {

namespace {

bool flag(const Napi::Object& object, const char* key) {
    const Napi::Value value = get_property(object, key);
    if (value.IsUndefined()) return false;
    if (!value.IsBoolean()) throw wrong_argument("a boolean", key);
    return value.As<Napi::Boolean>().Value();
}

std::vector<int32_t> optional_ids(const Napi::Object& object, const char* key) {
    const Napi::Value value = get_property(object, key);
    return value.IsUndefined() ? std::vector<int32_t>{} : to_ids(value, key);
}

constexpr int64_t largest_exact = int64_t{1} << 53;  // beyond it a double does not hold every whole number

}  // namespace

Error wrong_argument(const std::string& expected, const std::string& name) {
    return Error(ErrorCode::InvalidArgument, "Expected " + expected + " for " + name).with("argument", name);
}

Napi::Value get_property(const Napi::Object& object, const char* key) {
    Napi::Value value = object.Get(key);
    if (value.IsEmpty()) throw wrong_argument("a readable property", key);  // a getter threw
    return value;
}

Napi::Object to_object(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsObject()) throw wrong_argument("an object", name);
    return value.As<Napi::Object>();
}

Napi::Function to_function(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsFunction()) throw wrong_argument("a function", name);
    return value.As<Napi::Function>();
}

std::string to_text(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsString()) throw wrong_argument("a string", name);
    return value.As<Napi::String>().Utf8Value();
}

double to_number(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsNumber()) throw wrong_argument("a number", name);
    return value.As<Napi::Number>().DoubleValue();
}

int64_t to_integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high) {
    const double number = to_number(value, name);
    if (number != std::floor(number) || !(number >= static_cast<double>(low)) ||
        !(number <= static_cast<double>(high))) {
        throw wrong_argument("a whole number from " + std::to_string(low) + " to " + std::to_string(high),
                             name);
    }
    return static_cast<int64_t>(number);
}

std::vector<int32_t> to_ids(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
        throw wrong_argument("an Int32Array", name);
    }
    const Napi::Int32Array array = value.As<Napi::Int32Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
}

namespace {

TensorEntry to_tensor_entry(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "tensors[]");
    TensorEntry entry;
    entry.name = to_text(get_property(object, "name"), "tensors[].name");
    entry.type = to_text(get_property(object, "type"), "tensors[].type");
    entry.offset = static_cast<uint64_t>(
        to_integer(get_property(object, "offset"), "tensors[].offset", 0, largest_exact));
    const Napi::Value shape = get_property(object, "shape");
    if (!shape.IsArray()) throw wrong_argument("an array", "tensors[].shape");
    const Napi::Array extents = shape.As<Napi::Array>();
    for (uint32_t i = 0; i < extents.Length() && i < 16; ++i) {
        entry.shape.push_back(
            static_cast<uint64_t>(to_integer(extents.Get(i), "tensors[].shape[]", 0, largest_exact)));
    }
    return entry;
}

void read_hyperparameters(const Napi::Object& object, ModelSpec& spec) {
    const Napi::Array keys = object.GetPropertyNames();
    for (uint32_t i = 0; i < keys.Length(); ++i) {
        const std::string key = to_text(keys.Get(i), "hyperparameters");
        const Napi::Value value = get_property(object, key.c_str());
        if (value.IsString()) {
            spec.strings[key] = to_text(value, key);
        } else if (value.IsBoolean()) {
            spec.numbers[key] = value.As<Napi::Boolean>().Value() ? 1.0 : 0.0;
        } else if (!value.IsUndefined()) {
            spec.numbers[key] = to_number(value, key);
        }
    }
}

}  // namespace

ModelSpec to_model_spec(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "spec");
    ModelSpec spec;
    spec.path = to_text(get_property(object, "path"), "path");
    spec.architecture = to_text(get_property(object, "architecture"), "architecture");
    read_hyperparameters(to_object(get_property(object, "hyperparameters"), "hyperparameters"), spec);
    const Napi::Value tensors = get_property(object, "tensors");
    if (!tensors.IsArray()) throw wrong_argument("an array", "tensors");
    const Napi::Array entries = tensors.As<Napi::Array>();
    for (uint32_t i = 0; i < entries.Length(); ++i) spec.tensors.push_back(to_tensor_entry(entries.Get(i)));
    return spec;
}

LoadOptions to_load_options(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "options");
    LoadOptions options;
    options.device = to_text(get_property(object, "device"), "device");
    options.threads = static_cast<int>(to_integer(get_property(object, "threads"), "threads", 0, 1024));
    options.max_memory =
        static_cast<uint64_t>(to_integer(get_property(object, "maxMemory"), "maxMemory", 0, largest_exact));
    options.generic = flag(object, "generic");
    options.discrete = flag(object, "discrete");
    options.profile = flag(object, "profile");
    const Napi::Value most_kept = get_property(object, "kvCacheBudget");
    if (!most_kept.IsUndefined())
        options.kv_budget = static_cast<uint64_t>(to_integer(most_kept, "kvCacheBudget", 0, largest_exact));
    const Napi::Value prompts = get_property(object, "promptCache");
    if (!prompts.IsUndefined())
        options.prompt_cache = static_cast<uint64_t>(to_integer(prompts, "promptCache", 0, largest_exact));
    const Napi::Value budget = get_property(object, "tokenBudget");
    if (!budget.IsUndefined()) options.token_budget = to_integer(budget, "tokenBudget", 0, 1 << 20);
    return options;
}

namespace {

std::optional<SparseRequest> to_sparse_request(const Napi::Value& value) {
    if (value.IsUndefined()) return std::nullopt;
    const Napi::Object object = to_object(value, "sparse");
    SparseRequest request;
    request.pooling.over =
        sparse_pooling_from_name(to_text(get_property(object, "pooling"), "sparse.pooling"));
    request.pooling.activation =
        sparse_activation_from_name(to_text(get_property(object, "activation"), "sparse.activation"));
    const double threshold = to_number(get_property(object, "threshold"), "sparse.threshold");
    if (!(threshold >= 0.0) || std::isinf(threshold))
        throw wrong_argument("a number from 0 on", "sparse.threshold");
    request.threshold = static_cast<float>(threshold);
    request.most =
        to_integer(get_property(object, "most"), "sparse.most", 1, std::numeric_limits<int32_t>::max());
    return request;
}

}  // namespace

EncodeRequest to_encode_request(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "request");
    EncodeRequest request;
    request.ids = to_ids(get_property(object, "ids"), "ids");
    request.lengths = to_ids(get_property(object, "lengths"), "lengths");
    request.segments = optional_ids(object, "segments");
    request.mlm_positions = optional_ids(object, "mlmPositions");
    const Napi::Value pooling = get_property(object, "pooling");
    if (!pooling.IsUndefined()) request.pooling = pooling_from_name(to_text(pooling, "pooling"));
    request.normalize = flag(object, "normalize");
    request.last_hidden = flag(object, "lastHiddenState");
    request.pooler = flag(object, "poolerOutput");
    request.hidden_states = flag(object, "hiddenStates");
    request.attentions = flag(object, "attentions");
    request.next_sentence = flag(object, "nextSentence");
    request.sequence_labels = flag(object, "sequenceLogits");
    request.token_labels = flag(object, "tokenLogits");
    request.answer = flag(object, "answerLogits");
    request.replaced_tokens = flag(object, "replacedLogits");
    request.sparse = to_sparse_request(get_property(object, "sparse"));
    return request;
}

GenerateRequest to_generate_request(const Napi::Value& value) {
    constexpr int64_t largest_int32 = std::numeric_limits<int32_t>::max();
    const Napi::Object object = to_object(value, "request");
    GenerateRequest request;
    request.ids = to_ids(get_property(object, "ids"), "ids");
    request.max_tokens = to_integer(get_property(object, "maxTokens"), "maxTokens", 0, largest_int32);
    const Napi::Value limit = get_property(object, "contextLength");
    if (!limit.IsUndefined()) request.most_positions = to_integer(limit, "contextLength", 1, largest_int32);
    request.stop_ids = to_ids(get_property(object, "stopIds"), "stopIds");
    request.logprobs = flag(object, "logprobs");
    request.sampling = to_sampling_options(get_property(object, "sampling"));
    request.sampling.stop_ids = request.stop_ids;
    const Napi::Value scale = get_property(object, "guidanceScale");
    if (scale.IsUndefined()) return request;
    request.guidance_scale = to_number(scale, "guidanceScale");
    if (!std::isfinite(request.guidance_scale)) throw wrong_argument("a finite number", "guidanceScale");
    request.negative_ids = to_ids(get_property(object, "negativeIds"), "negativeIds");
    return request;
}

namespace {

BeamOptions::EarlyStopping to_early_stopping(const Napi::Value& value) {
    const std::string name = to_text(value, "earlyStopping");
    if (name == "off") return BeamOptions::EarlyStopping::Off;
    if (name == "on") return BeamOptions::EarlyStopping::On;
    if (name == "never") return BeamOptions::EarlyStopping::Never;
    throw wrong_argument("off, on or never", "earlyStopping");
}

double to_finite(const Napi::Object& object, const char* name) {
    const double number = to_number(get_property(object, name), name);
    if (!std::isfinite(number)) throw wrong_argument("a finite number", name);
    return number;
}

}  // namespace

BeamRequest to_beam_request(const Napi::Value& value) {
    constexpr int64_t most_beams = 1024;
    const Napi::Object object = to_object(value, "request");
    BeamRequest request;
    request.ids = to_ids(get_property(object, "ids"), "ids");
    request.max_tokens =
        to_integer(get_property(object, "maxTokens"), "maxTokens", 1, std::numeric_limits<int32_t>::max());
    request.stop_ids = to_ids(get_property(object, "stopIds"), "stopIds");
    request.sampling = to_sampling_options(get_property(object, "sampling"));
    request.sampling.stop_ids = request.stop_ids;
    BeamOptions& beams = request.beams;
    beams.beams = to_integer(get_property(object, "beams"), "beams", 1, most_beams);
    beams.groups = to_integer(get_property(object, "groups"), "groups", 1, most_beams);
    beams.returned = to_integer(get_property(object, "returned"), "returned", 1, most_beams);
    beams.length_penalty = to_finite(object, "lengthPenalty");
    beams.diversity_penalty = to_finite(object, "diversityPenalty");
    beams.early_stopping = to_early_stopping(get_property(object, "earlyStopping"));
    return request;
}

ScoreRequest to_score_request(const Napi::Value& value) {
    constexpr int64_t largest_int32 = std::numeric_limits<int32_t>::max();
    const Napi::Object object = to_object(value, "request");
    ScoreRequest request;
    request.ids = to_ids(get_property(object, "ids"), "ids");
    request.first = to_integer(get_property(object, "first"), "first", 1, largest_int32);
    request.top_k = to_integer(get_property(object, "topK"), "topK", 0, largest_int32);
    request.share_prompt = flag(object, "sharePrompt");
    return request;
}

namespace {

template <class Array, class T>
Napi::Value copy_to_js(Napi::Env env, const std::vector<T>& values) {
    Array array = Array::New(env, values.size());
    // An allocation that failed has left a RangeError.
    if (array.IsEmpty() || env.IsExceptionPending()) return env.Undefined();
    if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(T));
    return array;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const std::vector<float>& values) {
    return copy_to_js<Napi::Float32Array>(env, values);
}

Napi::Value to_js(Napi::Env env, const std::vector<int32_t>& values) {
    return copy_to_js<Napi::Int32Array>(env, values);
}

}  // namespace ggml_transformers
