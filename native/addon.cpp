// Registers the exports, nothing else.
#include <napi.h>

#include <memory>

#include "binding/addon_data.h"
#include "binding/constraint.h"
#include "binding/devices.h"
#include "binding/model.h"
#include "binding/quantize.h"
#include "binding/session.h"
#include "binding/token_window.h"

namespace ggml_transformers {

Napi::Object register_exports(Napi::Env env, Napi::Object exports) {
    auto data = std::make_unique<AddonData>(env);
    data->model_class = Napi::Persistent(NativeModel::define(env));
    data->session_class = Napi::Persistent(NativeSession::define(env));
    data->constraint_class = Napi::Persistent(NativeConstraint::define(env));
    env.AddCleanupHook([](AddonData* d) { d->shut_down(); }, data.get());
    env.SetInstanceData(data.release());  // Node owns it from here

    exports.Set("loadModel", Napi::Function::New(env, load_model, "loadModel"));
    exports.Set("Vocabulary", NativeVocabulary::define(env));
    exports.Set("TokenWindow", NativeTokenWindow::define(env));
    exports.Set("devices", Napi::Function::New(env, devices, "devices"));
    exports.Set("defaultThreads", Napi::Function::New(env, default_threads_js, "defaultThreads"));
    exports.Set("ggmlVersion", Napi::Function::New(env, ggml_version_js, "ggmlVersion"));
    exports.Set("quantizeRows", Napi::Function::New(env, quantize_rows_js, "quantizeRows"));
    exports.Set("dequantizeRows", Napi::Function::New(env, dequantize_rows_js, "dequantizeRows"));
    return exports;
}

NODE_API_MODULE(ggml_transformers, register_exports)

}  // namespace ggml_transformers
