// devices() and what else JavaScript may ask about the machine.
#pragma once

#include <napi.h>

namespace ggml_transformers {

Napi::Value devices(const Napi::CallbackInfo& info);
Napi::Value default_threads_js(const Napi::CallbackInfo& info);
Napi::Value ggml_version_js(const Napi::CallbackInfo& info);

}  // namespace ggml_transformers
