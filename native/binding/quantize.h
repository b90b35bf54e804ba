// quantizeRows and dequantizeRows.
#pragma once

#include <napi.h>

namespace ggml_transformers {

Napi::Value quantize_rows_js(const Napi::CallbackInfo& info);
Napi::Value dequantize_rows_js(const Napi::CallbackInfo& info);

}  // namespace ggml_transformers
