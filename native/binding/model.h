// NativeModel: a loaded model as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/addon_data.h"

namespace ggml_transformers {

class NativeModel final : public Napi::ObjectWrap<NativeModel> {
 public:
    static Napi::Function define(Napi::Env env);

    // Constructed by loadModel alone.
    explicit NativeModel(const Napi::CallbackInfo& info);
    ~NativeModel() override;

    // The model of a JavaScript value. Throws Error(InvalidArgument) for anything else.
    static std::shared_ptr<Engine> of(const Napi::Value& value, const std::string& name);

 private:
    Napi::Value device(const Napi::CallbackInfo& info);
    Napi::Value threads(const Napi::CallbackInfo& info);
    Napi::Value heads(const Napi::CallbackInfo& info);
    Napi::Value memory(const Napi::CallbackInfo& info);
    Napi::Value profile(const Napi::CallbackInfo& info);
    Napi::Value encode(const Napi::CallbackInfo& info);
    Napi::Value generate(const Napi::CallbackInfo& info);
    Napi::Value beam_search(const Napi::CallbackInfo& info);
    Napi::Value logits(const Napi::CallbackInfo& info);
    Napi::Value score(const Napi::CallbackInfo& info);
    Napi::Value create_session(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);

    AddonData::EngineId id_ = 0;
    // Tells the garbage collector what the model holds, and once, that it no longer does.
    void announce_memory(Napi::Env env);
    void renounce_memory(Napi::Env env);

    std::shared_ptr<Engine> engine_;
    int64_t announced_bytes_ = 0;
};

// loadModel(spec, options, onProgress?) -> { promise, cancel }
Napi::Value load_model(const Napi::CallbackInfo& info);

}  // namespace ggml_transformers
