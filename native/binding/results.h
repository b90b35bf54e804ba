// What the engine computed, as JavaScript sees it (lib/native-requests.ts).
#pragma once

#include <napi.h>

#include "engine/decode_scheduler.h"
#include "engine/encode_scheduler.h"
#include "engine/profile.h"

namespace ggml_transformers {

// `held`: the object that has the arrays already, or what a task without any holds.
Napi::Value encode_result(Napi::Env env, const EncodeResult& result, const Napi::Object& held);
Napi::Value generate_result(Napi::Env env, const GenerateResult& result, const Napi::Object& held);
Napi::Value beam_result(Napi::Env env, const BeamResult& result, const Napi::Object& held);
Napi::Value score_result(Napi::Env env, const ScoreResult& result, const Napi::Object& held);
Napi::Value profile_to_js(Napi::Env env, const ProfileReport& report);

}  // namespace ggml_transformers
