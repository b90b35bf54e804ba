// The one way the engine reports failure. Thrown inside the engine, caught where work is completed or at the
// binding: it never crosses Node-API.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ggml_transformers {

enum class ErrorCode {
    InvalidArgument,
    InputTooLong,
    ModelFileInvalid,
    ModelFileNotFound,
    Unsupported,
    OutOfMemory,
    Aborted,
    Disposed,
    DeviceUnavailable,
    Internal,
};

// The stable identifier JavaScript sees, for example "INPUT_TOO_LONG".
const char* to_string(ErrorCode code);

class Error : public std::exception {
 public:
    using Value = std::variant<std::string, double>;

    Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

    // Adds an offending value; chainable.
    Error& with(std::string name, std::string value) {
        details_.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    Error& with(std::string name, double value) {
        details_.emplace_back(std::move(name), value);
        return *this;
    }

    const char* what() const noexcept override { return message_.c_str(); }
    ErrorCode code() const { return code_; }
    const std::vector<std::pair<std::string, Value>>& details() const { return details_; }

 private:
    ErrorCode code_;
    std::string message_;
    std::vector<std::pair<std::string, Value>> details_;
};

Error aborted();
Error disposed();

// What a job is told when its batch failed with `error`: a batch given up though the job's caller did not
// cancel was given up because the model is being disposed.
Error job_error(const Error& error, bool cancelled);

// Turns whatever is in flight (Error, bad_alloc, anything else) into an Error. Call inside a catch block.
Error current_error();

}  // namespace ggml_transformers
