#include "binding/errors.h"

namespace ggml_transformers {

Napi::Error to_js(Napi::Env env, const Error& error) {
    Napi::Error js = Napi::Error::New(env, error.what());
    Napi::Object details = Napi::Object::New(env);
    for (const auto& [name, value] : error.details()) {
        if (const auto* number = std::get_if<double>(&value)) {
            details.Set(name, Napi::Number::New(env, *number));
        } else {
            details.Set(name, Napi::String::New(env, std::get<std::string>(value)));
        }
    }
    js.Set("code", Napi::String::New(env, to_string(error.code())));
    js.Set("details", details);
    return js;
}

}  // namespace ggml_transformers
