#include "binding/constraint.h"

#include <utility>
#include <vector>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"

namespace ggml_transformers {

namespace {

// What tells them from any other object.
constexpr napi_type_tag vocabulary_tag = type_tag(0x6c1b7d02f9384ae5u, 0x91d5e80b3a7c42f6u);
constexpr napi_type_tag constraint_tag = type_tag(0x27e94fd1860ba35cu, 0xd80316ca5f7e9b42u);

std::vector<uint8_t> to_bytes(const Napi::Value& value, const std::string& name) {
    if (value.IsEmpty() || !value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
        throw wrong_argument("a Uint8Array", name);
    const auto array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
}

Network to_network(const Napi::Value& value) {
    const Napi::Object object = to_object(value, "automaton");
    Network network;
    network.first_edges = to_ids(get_property(object, "firstEdges"), "firstEdges");
    network.finals = to_bytes(get_property(object, "finals"), "finals");
    const std::vector<int32_t> edges = to_ids(get_property(object, "edges"), "edges");
    if (edges.size() % 4 != 0) throw wrong_argument("four numbers an edge", "edges");
    for (size_t i = 0; i < edges.size(); i += 4)
        network.edges.push_back({edges[i], edges[i + 1], edges[i + 2], edges[i + 3]});
    const std::vector<int32_t> counts = to_ids(get_property(object, "counts"), "counts");
    if (counts.size() % 2 != 0) throw wrong_argument("two numbers a count", "counts");
    for (size_t i = 0; i < counts.size(); i += 2) network.counts.push_back({counts[i], counts[i + 1]});
    return network;
}

}  // namespace

Napi::Function NativeVocabulary::define(Napi::Env env) {
    return DefineClass(env, "Vocabulary", {InstanceMethod<&NativeVocabulary::constrain>("constrain")});
}

NativeVocabulary::NativeVocabulary(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeVocabulary>(info) {
    guarded(info, [&]() -> Napi::Value {
        tokens_ = std::make_shared<const TokenTrie>(to_bytes(info[0], "bytes"), to_ids(info[1], "offsets"));
        info.This().As<Napi::Object>().TypeTag(&vocabulary_tag);
        return info.Env().Undefined();
    });
}

Napi::Value NativeVocabulary::constrain(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        return NativeConstraint::create(info.Env(),
                                        std::make_shared<Constraint>(to_network(info[0]), tokens_));
    });
}

Napi::Function NativeConstraint::define(Napi::Env env) { return DefineClass(env, "NativeConstraint", {}); }

Napi::Value NativeConstraint::create(Napi::Env env, std::shared_ptr<Constraint> constraint) {
    return AddonData::of(env).constraint_class.New(
        {Napi::External<std::shared_ptr<Constraint>>::New(env, &constraint)});
}

NativeConstraint::NativeConstraint(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeConstraint>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
        Napi::TypeError::New(info.Env(), "NativeConstraint is made by Vocabulary.constrain")
            .ThrowAsJavaScriptException();
        return;
    }
    constraint_ = *info[0].As<Napi::External<std::shared_ptr<Constraint>>>().Data();
    info.This().As<Napi::Object>().TypeTag(&constraint_tag);
}

std::shared_ptr<Constraint> NativeConstraint::of(const Napi::Value& value, const std::string& name) {
    const Napi::Object object = to_object(value, name);
    if (!object.CheckTypeTag(&constraint_tag)) throw wrong_argument("a constraint", name);
    return Unwrap(object)->constraint_;
}

}  // namespace ggml_transformers
