// What JavaScript says about choosing tokens.
#pragma once

#include <napi.h>

#include "sampling/options.h"

namespace ggml_transformers {

// Throws Error(InvalidArgument) for a wrong value, and for a key that means nothing.
SamplingOptions to_sampling_options(const Napi::Value& value);

}  // namespace ggml_transformers
