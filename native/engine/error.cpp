#include "engine/error.h"

#include <new>

namespace ggml_transformers {

const char* to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::InvalidArgument:
            return "INVALID_ARGUMENT";
        case ErrorCode::InputTooLong:
            return "INPUT_TOO_LONG";
        case ErrorCode::ModelFileInvalid:
            return "MODEL_FILE_INVALID";
        case ErrorCode::ModelFileNotFound:
            return "MODEL_FILE_NOT_FOUND";
        case ErrorCode::Unsupported:
            return "UNSUPPORTED";
        case ErrorCode::OutOfMemory:
            return "OUT_OF_MEMORY";
        case ErrorCode::Aborted:
            return "ABORTED";
        case ErrorCode::Disposed:
            return "DISPOSED";
        case ErrorCode::DeviceUnavailable:
            return "DEVICE_UNAVAILABLE";
        case ErrorCode::Internal:
            return "INTERNAL";
    }
    return "INTERNAL";
}

Error aborted() { return Error(ErrorCode::Aborted, "The operation was aborted"); }

Error disposed() {
    return Error(ErrorCode::Disposed, "The model was disposed").with("what", std::string("Model"));
}

Error job_error(const Error& error, bool cancelled) {
    return error.code() == ErrorCode::Aborted && !cancelled ? disposed() : error;
}

Error current_error() {
    try {
        throw;
    } catch (const Error& error) {
        return error;
    } catch (const std::bad_alloc&) {
        return Error(ErrorCode::OutOfMemory, "The system refused an allocation");
    } catch (const std::exception& error) {
        return Error(ErrorCode::Internal, error.what());
    } catch (...) {
        return Error(ErrorCode::Internal, "An unknown error was thrown");
    }
}

}  // namespace ggml_transformers
