// JavaScript values as C++ ones. A wrong type throws Error(InvalidArgument) that names the argument; nothing
// is trusted because TypeScript checked it already.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/decode_scheduler.h"
#include "engine/encode_scheduler.h"
#include "engine/error.h"
#include "engine/model_spec.h"

namespace ggml_transformers {

Error wrong_argument(const std::string& expected, const std::string& name);
Napi::Value get_property(const Napi::Object& object, const char* key);
Napi::Object to_object(const Napi::Value& value, const std::string& name);
Napi::Function to_function(const Napi::Value& value, const std::string& name);
std::string to_text(const Napi::Value& value, const std::string& name);
double to_number(const Napi::Value& value, const std::string& name);
// A whole number in [low, high].
int64_t to_integer(const Napi::Value& value, const std::string& name, int64_t low, int64_t high);
std::vector<int32_t> to_ids(const Napi::Value& value, const std::string& name);  // from an Int32Array

ModelSpec to_model_spec(const Napi::Value& value);
LoadOptions to_load_options(const Napi::Value& value);
EncodeRequest to_encode_request(const Napi::Value& value);
// Without `on_token`.
GenerateRequest to_generate_request(const Napi::Value& value);
// Without `on_step`.
BeamRequest to_beam_request(const Napi::Value& value);
ScoreRequest to_score_request(const Napi::Value& value);

// A Float32Array or Int32Array with a copy of the values (Electron forbids external buffers).
Napi::Value to_js(Napi::Env env, const std::vector<float>& values);
Napi::Value to_js(Napi::Env env, const std::vector<int32_t>& values);

}  // namespace ggml_transformers
