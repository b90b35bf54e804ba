#include "binding/quantize.h"

#include <cstring>
#include <limits>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"
#include "engine/quantize.h"

namespace ggml_transformers {

namespace {

template <class T>
std::vector<T> copy_typed_array(const Napi::Value& value, napi_typedarray_type type, const char* expected) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
        throw Error(ErrorCode::InvalidArgument, std::string("Expected a ") + expected + " for data")
            .with("argument", std::string("data"));
    }
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    return {array.Data(), array.Data() + array.ElementLength()};
}

// Runs `work` on the pool and settles a task with its result.
template <class T>
Napi::Value run_on_pool(Napi::Env env, std::function<T()> work, Dispatcher::ToValue<T> to_value) {
    AddonData& data = AddonData::of(env);
    const Dispatcher::TaskId id = data.dispatcher->open(env, Napi::Function());
    CancelToken cancel;
    // std::function wants copies, a completion allows none.
    auto completion =
        std::make_shared<Completion<T>>(Dispatcher::settle<T>(data.dispatcher, id, std::move(to_value)));
    data.workers().run([completion, cancel, work = std::move(work)] {
        try {
            if (cancel.cancelled()) throw aborted();
            completion->finish(work());
        } catch (...) {
            completion->finish(current_error());
        }
    });
    return data.dispatcher->task_object(env, id, [cancel]() mutable { cancel.cancel(); });
}

int64_t to_row_length(const Napi::Value& value) {
    return to_integer(value, "rowLength", 1, std::numeric_limits<int32_t>::max());
}

}  // namespace

Napi::Value quantize_rows_js(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const std::string type = to_text(info[0], "type");
        auto values = std::make_shared<std::vector<float>>(
            copy_typed_array<float>(info[1], napi_float32_array, "Float32Array"));
        const int64_t row_length = to_row_length(info[2]);
        return run_on_pool<std::vector<uint8_t>>(
            info.Env(), [type, values, row_length] { return quantize_rows(type, *values, row_length); },
            [](Napi::Env env, const std::vector<uint8_t>& bytes, const Napi::Object&) -> Napi::Value {
                Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
                if (array.IsEmpty() || env.IsExceptionPending()) return env.Undefined();
                if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
                return array;
            });
    });
}

Napi::Value dequantize_rows_js(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const std::string type = to_text(info[0], "type");
        auto bytes = std::make_shared<std::vector<uint8_t>>(
            copy_typed_array<uint8_t>(info[1], napi_uint8_array, "Uint8Array"));
        const int64_t row_length = to_row_length(info[2]);
        return run_on_pool<std::vector<float>>(
            info.Env(), [type, bytes, row_length] { return dequantize_rows(type, *bytes, row_length); },
            [](Napi::Env env, const std::vector<float>& values, const Napi::Object&) {
                return to_js(env, values);
            });
    });
}

}  // namespace ggml_transformers
