// NativeSession: what a model keeps of a sequence between requests, as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/decode_session.h"

namespace ggml_transformers {

class NativeSession final : public Napi::ObjectWrap<NativeSession> {
 public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value create(Napi::Env env, std::shared_ptr<DecodeSession> session);

    // Constructed by create() alone.
    explicit NativeSession(const Napi::CallbackInfo& info);

    // Throws Error(InvalidArgument | Disposed).
    static std::shared_ptr<DecodeSession> of(const Napi::Value& value, const std::string& name);

 private:
    Napi::Value tokens(const Napi::CallbackInfo& info);
    Napi::Value fork(const Napi::CallbackInfo& info);
    Napi::Value read(const Napi::CallbackInfo& info);
    Napi::Value write(const Napi::CallbackInfo& info);
    Napi::Value commit(const Napi::CallbackInfo& info);
    Napi::Value dispose(const Napi::CallbackInfo& info);

    DecodeSession::Lease lease() const;

    std::shared_ptr<DecodeSession> session_;  // null: disposed
};

}  // namespace ggml_transformers
