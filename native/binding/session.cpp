#include "binding/session.h"

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"

namespace ggml_transformers {

namespace {

// What tells a NativeSession from any other object.
constexpr napi_type_tag session_tag = type_tag(0x8f1c2a7be6d94035u, 0xb2c07d5e914fa863u);

Error session_disposed() {
    return Error(ErrorCode::Disposed, "The session is disposed").with("what", "The session");
}

}  // namespace

Napi::Function NativeSession::define(Napi::Env env) {
    return DefineClass(
        env, "NativeSession",
        {InstanceMethod<&NativeSession::tokens>("tokens"), InstanceMethod<&NativeSession::fork>("fork"),
         InstanceMethod<&NativeSession::read>("read"), InstanceMethod<&NativeSession::write>("write"),
         InstanceMethod<&NativeSession::commit>("commit"),
         InstanceMethod<&NativeSession::dispose>("dispose")});
}

Napi::Value NativeSession::create(Napi::Env env, std::shared_ptr<DecodeSession> session) {
    return AddonData::of(env).session_class.New(
        {Napi::External<std::shared_ptr<DecodeSession>>::New(env, &session)});
}

NativeSession::NativeSession(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeSession>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
        Napi::TypeError::New(info.Env(), "NativeSession is made by createSession")
            .ThrowAsJavaScriptException();
        return;
    }
    session_ = *info[0].As<Napi::External<std::shared_ptr<DecodeSession>>>().Data();
    info.This().As<Napi::Object>().TypeTag(&session_tag);
}

std::shared_ptr<DecodeSession> NativeSession::of(const Napi::Value& value, const std::string& name) {
    const Napi::Object object = to_object(value, name);
    if (!object.CheckTypeTag(&session_tag)) {
        throw Error(ErrorCode::InvalidArgument, "Expected " + name + " to be a session").with("name", name);
    }
    const NativeSession* session = Unwrap(object);
    if (session == nullptr || !session->session_) throw session_disposed();
    return session->session_;
}

DecodeSession::Lease NativeSession::lease() const {
    if (!session_) throw session_disposed();
    return DecodeSession::Lease(session_);
}

Napi::Value NativeSession::tokens(const Napi::CallbackInfo& info) {
    return guarded(info, [&] { return to_js(info.Env(), lease().tokens()); });
}

Napi::Value NativeSession::fork(const Napi::CallbackInfo& info) {
    return guarded(info, [&] { return create(info.Env(), lease().fork()); });
}

Napi::Value NativeSession::read(const Napi::CallbackInfo& info) {
    return guarded(info, [&] {
        DecodeSession::Lease held = lease();
        const auto most = static_cast<int64_t>(held.tokens().size());
        const int64_t first = to_integer(info[0], "first", 0, most);
        return to_js(info.Env(), held.read(first, to_integer(info[1], "count", 0, most - first)));
    });
}

Napi::Value NativeSession::write(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        DecodeSession::Lease held = lease();
        const int64_t first = to_integer(info[0], "first", 0, held.written());
        const int64_t count = to_integer(info[1], "count", 0, held.limit() - first);
        if (!info[2].IsTypedArray() || info[2].As<Napi::TypedArray>().TypedArrayType() != napi_float32_array)
            throw Error(ErrorCode::InvalidArgument, "Expected rows to be a Float32Array");
        const auto rows = info[2].As<Napi::Float32Array>();
        held.write(first, count, rows.Data(), rows.ElementLength());
        return info.Env().Undefined();
    });
}

Napi::Value NativeSession::commit(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        lease().commit(to_ids(info[0], "tokens"));
        return info.Env().Undefined();
    });
}

Napi::Value NativeSession::dispose(const Napi::CallbackInfo& info) {
    session_.reset();
    return info.Env().Undefined();
}

}  // namespace ggml_transformers
