// Engine errors as JavaScript errors with `code` and `details`.
#pragma once

#include <napi.h>

#include "engine/error.h"

namespace ggml_transformers {

Napi::Error to_js(Napi::Env env, const Error& error);

// Runs a callback's body; whatever it throws becomes a JavaScript exception.
template <class Body>
Napi::Value guarded(const Napi::CallbackInfo& info, Body&& body) {
    try {
        return body();
    } catch (...) {
        const Error error = current_error();
        if (!info.Env().IsExceptionPending()) to_js(info.Env(), error).ThrowAsJavaScriptException();
        return info.Env().Undefined();
    }
}

}  // namespace ggml_transformers
