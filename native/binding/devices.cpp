#include "binding/devices.h"

#include "binding/errors.h"
#include "engine/device_list.h"
#include "engine/system.h"

namespace ggml_transformers {

Napi::Value devices(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        const Napi::Env env = info.Env();
        Napi::Array list = Napi::Array::New(env);
        for (const DeviceDescription& device : list_devices()) {
            Napi::Object object = Napi::Object::New(env);
            object.Set("id", device.id);
            object.Set("kind", device.kind);
            object.Set("name", device.name);
            object.Set("memoryTotal", static_cast<double>(device.memory_total));
            object.Set("memoryFree", static_cast<double>(device.memory_free));
            Napi::Array features = Napi::Array::New(env);
            for (const std::string& feature : device.features) features.Set(features.Length(), feature);
            object.Set("features", features);
            if (!device.unusable.empty()) object.Set("unusable", device.unusable);
            list.Set(list.Length(), object);
        }
        return list;
    });
}

Napi::Value default_threads_js(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value { return Napi::Number::New(info.Env(), default_threads()); });
}

Napi::Value ggml_version_js(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), ggml_version());
}

}  // namespace ggml_transformers
