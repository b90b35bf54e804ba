#include "binding/token_window.h"

#include <limits>

#include "binding/addon_data.h"
#include "binding/arguments.h"
#include "binding/errors.h"

namespace ggml_transformers {

namespace {

// What tells a NativeTokenWindow from any other object.
constexpr napi_type_tag window_tag = type_tag(0x3a90c7e15d2f6b84u, 0xc45b1e8f7092ad36u);
constexpr int64_t most = std::numeric_limits<int32_t>::max();

}  // namespace

void NativeTokenWindow::Reader::attach(Dispatcher::TaskId task, const std::shared_ptr<Engine>& engine) {
    task_ = task;
    engine_ = engine;
}

void NativeTokenWindow::Reader::paused(Napi::Env env, Dispatcher& dispatcher) {
    if (window_->room() <= 0) dispatcher.rest(env, task_, true);
}

void NativeTokenWindow::Reader::read(Napi::Env env, int64_t count) {
    window_->read(count);
    if (window_->room() > 0) AddonData::of(env).dispatcher->rest(env, task_, false);
    if (const auto engine = engine_.lock()) engine->wake();
}

Napi::Function NativeTokenWindow::define(Napi::Env env) {
    return DefineClass(env, "TokenWindow", {InstanceMethod<&NativeTokenWindow::read>("read")});
}

NativeTokenWindow::NativeTokenWindow(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<NativeTokenWindow>(info) {
    guarded(info, [&]() -> Napi::Value {
        reader_ = std::make_shared<Reader>(to_integer(info[0], "size", 1, most));
        info.This().As<Napi::Object>().TypeTag(&window_tag);
        return info.Env().Undefined();
    });
}

std::shared_ptr<NativeTokenWindow::Reader> NativeTokenWindow::open(const Napi::Value& value,
                                                                   Dispatcher::TaskId task,
                                                                   const std::shared_ptr<Engine>& engine) {
    const Napi::Object object = to_object(value, "window");
    if (!object.CheckTypeTag(&window_tag)) throw wrong_argument("a token window", "window");
    const std::shared_ptr<Reader> reader = Unwrap(object)->reader_;
    reader->attach(task, engine);
    return reader;
}

Napi::Value NativeTokenWindow::read(const Napi::CallbackInfo& info) {
    return guarded(info, [&]() -> Napi::Value {
        reader_->read(info.Env(), to_integer(info[0], "count", 1, most));
        return info.Env().Undefined();
    });
}

}  // namespace ggml_transformers
