// NativeVocabulary and NativeConstraint: what a generation may write, as JavaScript sees it.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "constraint/constraint.h"

namespace ggml_transformers {

// The bytes of a vocabulary's tokens; makes constraints for it.
class NativeVocabulary final : public Napi::ObjectWrap<NativeVocabulary> {
 public:
    static Napi::Function define(Napi::Env env);

    // (bytes: Uint8Array, offsets: Int32Array)
    explicit NativeVocabulary(const Napi::CallbackInfo& info);

 private:
    // ({ firstEdges, edges, finals, counts }: Int32Arrays)
    Napi::Value constrain(const Napi::CallbackInfo& info);

    std::shared_ptr<const TokenTrie> tokens_;
};

class NativeConstraint final : public Napi::ObjectWrap<NativeConstraint> {
 public:
    static Napi::Function define(Napi::Env env);
    static Napi::Value create(Napi::Env env, std::shared_ptr<Constraint> constraint);

    // Constructed by create() alone.
    explicit NativeConstraint(const Napi::CallbackInfo& info);

    // Throws Error(InvalidArgument).
    static std::shared_ptr<Constraint> of(const Napi::Value& value, const std::string& name);

 private:
    std::shared_ptr<Constraint> constraint_;
};

}  // namespace ggml_transformers
