#include "engine/quantize.h"

#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "engine/weights.h"

namespace ggml_transformers {

namespace {

void check_row_length(ggml_type type, int64_t row_length) {
    const int64_t block = ggml_blck_size(type);
    if (row_length > 0 && row_length % block == 0) return;
    throw Error(ErrorCode::InvalidArgument, "Expected a positive multiple of " + std::to_string(block) +
                                                " for rowLength but received " + std::to_string(row_length))
        .with("argument", std::string("rowLength"))
        .with("value", static_cast<double>(row_length));
}

}  // namespace

std::vector<uint8_t> quantize_rows(const std::string& type_name, const std::vector<float>& values,
                                   int64_t row_length) {
    const ggml_type type = weight_type(type_name);
    check_row_length(type, row_length);
    const auto count = static_cast<int64_t>(values.size());
    if (count % row_length != 0) {
        throw Error(ErrorCode::InvalidArgument, "Expected whole rows of " + std::to_string(row_length) +
                                                    " values but received " + std::to_string(count) +
                                                    " values");
    }
    for (size_t i = 0; i < values.size(); ++i) {
        if (std::isfinite(values[i])) continue;
        throw Error(ErrorCode::InvalidArgument,
                    "Expected finite numbers but value " + std::to_string(i) + " is not")
            .with("index", static_cast<double>(i));
    }
    const int64_t rows = count / row_length;
    std::vector<uint8_t> bytes(static_cast<size_t>(rows) * ggml_row_size(type, row_length));
    if (rows > 0) ggml_quantize_chunk(type, values.data(), bytes.data(), 0, rows, row_length, nullptr);
    return bytes;
}

std::vector<float> dequantize_rows(const std::string& type_name, const std::vector<uint8_t>& bytes,
                                   int64_t row_length) {
    const ggml_type type = weight_type(type_name);
    check_row_length(type, row_length);
    const size_t row_bytes = ggml_row_size(type, row_length);
    if (bytes.size() % row_bytes != 0) {
        throw Error(ErrorCode::InvalidArgument, "Expected whole rows of " + std::to_string(row_bytes) +
                                                    " bytes but received " + std::to_string(bytes.size()) +
                                                    " bytes");
    }
    std::vector<float> values(bytes.size() / row_bytes * static_cast<size_t>(row_length));
    if (values.empty()) return values;
    if (type == GGML_TYPE_F32) {
        std::memcpy(values.data(), bytes.data(), bytes.size());
    } else {
        ggml_get_type_traits(type)->to_float(bytes.data(), values.data(),
                                             static_cast<int64_t>(values.size()));
    }
    return values;
}

}  // namespace ggml_transformers
