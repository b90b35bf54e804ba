#include "binding/logits_hook.h"

#include <algorithm>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"

namespace ggml_transformers {

namespace {

// The array's values, as many as there are logits. Throws Error(InvalidArgument), also when it is not the
// caller's turn: then the engine may be at the logits.
float* exchanged(const Napi::Value& value, LogitsHook& hook) {
    if (hook.returned()) throw Error(ErrorCode::InvalidArgument, "There are no logits to be exchanged");
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array ||
        value.As<Napi::Float32Array>().ElementLength() != hook.logits().size())
        throw wrong_argument("a Float32Array of a value for each token", "logits");
    return value.As<Napi::Float32Array>().Data();
}

}  // namespace

std::shared_ptr<LogitsHook> open_logits_hook(const Napi::Object& exchange, Dispatcher::TaskId task,
                                             const std::shared_ptr<Engine>& engine) {
    const Napi::Env env = exchange.Env();
    const auto call = [task, dispatcher = AddonData::of(env).dispatcher] {
        dispatcher->post([task](Napi::Env e, Dispatcher& d) { d.event(e, task, {-1.0, 0.0}); });
    };
    auto hook = std::make_shared<LogitsHook>(call);
    const auto read = [hook](const Napi::CallbackInfo& info) {
        return guarded(info, [&] {
            float* into = exchanged(info[0], *hook);
            std::copy(hook->logits().begin(), hook->logits().end(), into);
            return info.Env().Undefined();
        });
    };
    // Weakly: the functions live until they are collected, the engine until it is disposed.
    const auto write = [hook, weak = std::weak_ptr<Engine>(engine)](const Napi::CallbackInfo& info) {
        return guarded(info, [&] {
            const float* from = exchanged(info[0], *hook);
            std::copy_n(from, hook->logits().size(), hook->logits().begin());
            hook->give_back();
            if (const auto alive = weak.lock()) alive->wake();
            return info.Env().Undefined();
        });
    };
    Napi::Object object = exchange;
    object.Set("read", Napi::Function::New(env, read));
    object.Set("write", Napi::Function::New(env, write));
    return hook;
}

}  // namespace ggml_transformers
