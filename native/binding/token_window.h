// NativeTokenWindow: how far a request may be ahead of its reader, as JavaScript sees it.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <string>

#include "binding/dispatcher.h"
#include "engine/engine.h"

namespace ggml_transformers {

class NativeTokenWindow final : public Napi::ObjectWrap<NativeTokenWindow> {
 public:
    // What a request has of it.
    class Reader;

    static Napi::Function define(Napi::Env env);

    // (size: integer)
    explicit NativeTokenWindow(const Napi::CallbackInfo& info);

    // Makes the request of `task` the one that has the window. Throws Error(InvalidArgument).
    static std::shared_ptr<Reader> open(const Napi::Value& value, Dispatcher::TaskId task,
                                        const std::shared_ptr<Engine>& engine);

 private:
    // (count: integer): so many more tokens have been read
    Napi::Value read(const Napi::CallbackInfo& info);

    std::shared_ptr<Reader> reader_;
};

// Belongs to the JavaScript thread, but for the window. While the request is paused, nothing happens until
// somebody reads: that does not keep the process alive.
class NativeTokenWindow::Reader {
 public:
    explicit Reader(int64_t size) : window_(std::make_shared<TokenWindow>(size)) {}

    const std::shared_ptr<TokenWindow>& window() const { return window_; }
    void attach(Dispatcher::TaskId task, const std::shared_ptr<Engine>& engine);
    // The engine has paused the request; it may have been read since.
    void paused(Napi::Env env, Dispatcher& dispatcher);
    void read(Napi::Env env, int64_t count);

 private:
    std::shared_ptr<TokenWindow> window_;
    Dispatcher::TaskId task_ = 0;
    std::weak_ptr<Engine> engine_;
};

}  // namespace ggml_transformers
