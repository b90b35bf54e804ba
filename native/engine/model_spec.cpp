#include "engine/model_spec.h"

#include <cmath>

#include "engine/error.h"

namespace ggml_transformers {

double ModelSpec::number(const std::string& key) const {
    const auto found = numbers.find(key);
    if (found == numbers.end()) {
        throw Error(ErrorCode::ModelFileInvalid, "The hyper-parameter " + key + " is missing")
            .with("field", key);
    }
    if (!std::isfinite(found->second)) {
        throw Error(ErrorCode::ModelFileInvalid, "The hyper-parameter " + key + " is not a finite number")
            .with("field", key);
    }
    return found->second;
}

double ModelSpec::non_negative(const std::string& key) const {
    const double value = number(key);
    if (value >= 0.0) return value;
    throw Error(ErrorCode::ModelFileInvalid, "Expected a number of at least 0 for the hyper-parameter " +
                                                 key + " but received " + std::to_string(value))
        .with("field", key)
        .with("value", value);
}

int64_t ModelSpec::integer(const std::string& key, int64_t low, int64_t high) const {
    const double value = number(key);
    if (value != std::floor(value) || value < static_cast<double>(low) || value > static_cast<double>(high)) {
        throw Error(ErrorCode::ModelFileInvalid,
                    "Expected a whole number from " + std::to_string(low) + " to " + std::to_string(high) +
                        " for the hyper-parameter " + key + " but received " + std::to_string(value))
            .with("field", key)
            .with("value", value);
    }
    return static_cast<int64_t>(value);
}

const std::string& ModelSpec::string(const std::string& key) const {
    const auto found = strings.find(key);
    if (found == strings.end()) {
        throw Error(ErrorCode::ModelFileInvalid, "The hyper-parameter " + key + " is missing")
            .with("field", key);
    }
    return found->second;
}

}  // namespace ggml_transformers
