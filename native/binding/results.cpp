#include "binding/results.h"

#include "binding/arguments.h"

namespace ggml_transformers {

namespace {

Napi::Value sparse_to_js(Napi::Env env, const std::vector<SparseVector>& vectors) {
    Napi::Array array = Napi::Array::New(env, vectors.size());
    for (uint32_t i = 0; i < vectors.size(); ++i) {
        Napi::Object vector = Napi::Object::New(env);
        vector.Set("indices", to_js(env, vectors[i].indices));
        vector.Set("values", to_js(env, vectors[i].values));
        array.Set(i, vector);
    }
    return array;
}

const char* reason_name(FinishReason reason) {
    switch (reason) {
        case FinishReason::Stop:
            return "stop";
        case FinishReason::Length:
            return "length";
        case FinishReason::Context:
            return "context";
        case FinishReason::Cancelled:
            return "cancelled";
    }
    return "length";
}

Napi::Object timings_to_js(Napi::Env env, double queued_ms, double prompt_ms, double decode_ms) {
    Napi::Object timings = Napi::Object::New(env);
    timings.Set("queuedMs", queued_ms);
    timings.Set("promptMs", prompt_ms);
    timings.Set("decodeMs", decode_ms);
    return timings;
}

Napi::Object profiled_operation(Napi::Env env, const ProfiledOperation& operation) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", operation.name);
    object.Set("count", static_cast<double>(operation.count));
    object.Set("seconds", operation.seconds);
    object.Set("int8", operation.arithmetic.int8);
    object.Set("float32", operation.arithmetic.f32);
    return object;
}

}  // namespace

Napi::Value encode_result(Napi::Env env, const EncodeResult& result, const Napi::Object& held) {
    Napi::Object object = held;
    if (!result.sparse.empty()) object.Set("sparse", sparse_to_js(env, result.sparse));
    return object;
}

Napi::Value generate_result(Napi::Env env, const GenerateResult& result, const Napi::Object&) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("tokens", to_js(env, result.tokens));
    if (!result.logprobs.empty()) object.Set("logprobs", to_js(env, result.logprobs));
    object.Set("finishReason", reason_name(result.finish_reason));
    object.Set("evaluatedTokens", static_cast<double>(result.evaluated));
    object.Set("draftedTokens", static_cast<double>(result.drafted));
    object.Set("acceptedTokens", static_cast<double>(result.accepted));
    object.Set("timings", timings_to_js(env, result.queued_ms, result.prompt_ms, result.decode_ms));
    return object;
}

Napi::Value beam_result(Napi::Env env, const BeamResult& result, const Napi::Object&) {
    Napi::Array sequences = Napi::Array::New(env, result.sequences.size());
    for (uint32_t i = 0; i < result.sequences.size(); ++i) {
        const Hypothesis& from = result.sequences[i];
        const char* unstopped = result.context_full ? "context" : "length";
        Napi::Object sequence = Napi::Object::New(env);
        sequence.Set("tokens", to_js(env, from.tokens));
        sequence.Set("score", from.score);
        sequence.Set("finishReason", from.stopped ? "stop" : unstopped);
        sequences.Set(i, sequence);
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("sequences", sequences);
    object.Set("evaluatedTokens", static_cast<double>(result.evaluated));
    object.Set("timings", timings_to_js(env, result.queued_ms, result.prompt_ms, result.decode_ms));
    return object;
}

Napi::Value score_result(Napi::Env env, const ScoreResult& result, const Napi::Object&) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("logprobs", to_js(env, result.logprobs));
    object.Set("ranks", to_js(env, result.ranks));
    object.Set("topIds", to_js(env, result.top_ids));
    object.Set("topLogprobs", to_js(env, result.top_logprobs));
    return object;
}

Napi::Value profile_to_js(Napi::Env env, const ProfileReport& report) {
    Napi::Object peak = Napi::Object::New(env);
    peak.Set("int8", report.peak.int8);
    peak.Set("float32", report.peak.f32);
    Napi::Array operations = Napi::Array::New(env, report.operations.size());
    for (uint32_t i = 0; i < report.operations.size(); ++i) {
        operations.Set(i, profiled_operation(env, report.operations[i]));
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("isa", report.isa);
    object.Set("lowering", report.fused ? "fused" : "generic");
    object.Set("kernelPeak", peak);
    object.Set("batches", static_cast<double>(report.batches));
    object.Set("seconds", report.seconds);
    object.Set("operations", operations);
    return object;
}

}  // namespace ggml_transformers
