// A request's logits on their way to JavaScript and back.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/dispatcher.h"
#include "engine/engine.h"

namespace ggml_transformers {

// Gives `exchange` the functions read(into) and write(from), which take a Float32Array [V]. The task's event
// with the token -1 tells that the logits are there to be read; the request goes on once they are written.
std::shared_ptr<LogitsHook> open_logits_hook(const Napi::Object& exchange, Dispatcher::TaskId task,
                                             const std::shared_ptr<Engine>& engine);

}  // namespace ggml_transformers
