// What the loader of cuBLAS does where there is no library, and with the library that the test makes.
//
//   cublas_check             prints what cublasCreate returns, and what it is called
//   cublas_check --products  calls every function once; the library writes down what arrives
//
// With CUBLAS_HEADER it holds our declarations against the library's own header instead.
#include <cuda_fp16.h>

#include <cstdio>
#include <cstring>

#ifdef CUBLAS_HEADER
#include CUBLAS_HEADER

static_assert(CUBLAS_STATUS_NOT_INITIALIZED == 1 && CUBLAS_STATUS_ALLOC_FAILED == 3 &&
              CUBLAS_STATUS_INVALID_VALUE == 7 && CUBLAS_STATUS_ARCH_MISMATCH == 8 &&
              CUBLAS_STATUS_MAPPING_ERROR == 11 && CUBLAS_STATUS_EXECUTION_FAILED == 13 &&
              CUBLAS_STATUS_INTERNAL_ERROR == 14 && CUBLAS_STATUS_NOT_SUPPORTED == 15 &&
              CUBLAS_STATUS_LICENSE_ERROR == 16 && CUBLAS_STATUS_SUCCESS == 0);
static_assert(CUBLAS_OP_N == 0 && CUBLAS_OP_T == 1 && CUBLAS_OP_C == 2);
static_assert(CUBLAS_FILL_MODE_LOWER == 0 && CUBLAS_FILL_MODE_UPPER == 1 && CUBLAS_FILL_MODE_FULL == 2);
static_assert(CUBLAS_DIAG_NON_UNIT == 0 && CUBLAS_DIAG_UNIT == 1);
static_assert(CUBLAS_SIDE_LEFT == 0 && CUBLAS_SIDE_RIGHT == 1);
static_assert(CUBLAS_DEFAULT_MATH == 0 && CUBLAS_TENSOR_OP_MATH == 1 && CUBLAS_TF32_TENSOR_OP_MATH == 3);
static_assert(CUBLAS_GEMM_DEFAULT == -1 && CUBLAS_GEMM_DEFAULT_TENSOR_OP == 99);
static_assert(CUBLAS_COMPUTE_16F == 64 && CUBLAS_COMPUTE_32F == 68);

int main() { std::puts("the values are the library's"); }

#else

#include "cublas_loader.h"
#include "cublas_v2.h"

namespace {

void print_unavailable() {
    cublasHandle_t handle = nullptr;
    const cublasStatus_t status = cublasCreate(&handle);
    std::printf("{\"available\":%s,\"status\":%d,\"text\":\"%s\"}\n",
                ggml_transformers::cublas_is_available() ? "true" : "false", static_cast<int>(status),
                cublasGetStatusString(status));
}

// Each argument differs from its neighbours.
int call_all() {
    cublasHandle_t h = nullptr;
    const float fa = 2.0f, fb = 3.0f;
    const __half ha = __float2half(2.0f), hb = __float2half(3.0f);
    float matrix[4] = {};
    const float* const inputs[] = {matrix};
    float* const outputs[] = {matrix};
    const void* const any_inputs[] = {matrix};
    void* const any_outputs[] = {matrix};
    constexpr auto N = CUBLAS_OP_N, T = CUBLAS_OP_T;
    constexpr auto F16 = CUDA_R_16F, F32 = CUDA_R_32F;
    constexpr auto algo = CUBLAS_GEMM_DEFAULT_TENSOR_OP;
    int sum = cublasCreate(&h);
    sum += cublasSetStream(h, nullptr) + cublasSetWorkspace(h, matrix, 77);
    sum += cublasSetMathMode(h, CUBLAS_TF32_TENSOR_OP_MATH) + cublasSetMathMode(h, CUBLAS_TENSOR_OP_MATH);
    sum += cublasSgemm(h, T, N, 11, 12, 13, &fa, matrix, 14, matrix, 15, &fb, matrix, 16);
    sum += cublasSgemmBatched(h, T, N, 11, 12, 13, &fa, inputs, 14, inputs, 15, &fb, outputs, 16, 17);
    sum += cublasSgemmStridedBatched(h, T, N, 11, 12, 13, &fa, matrix, 14, 21, matrix, 15, 22, &fb, matrix, 16,
                                     23, 17);
    sum += cublasGemmEx(h, T, N, 11, 12, 13, &fa, matrix, F32, 14, matrix, F32, 15, &fb, matrix, F32, 16,
                        CUBLAS_COMPUTE_32F, algo);
    sum += cublasGemmEx(h, T, N, 11, 12, 13, &ha, matrix, F16, 14, matrix, F16, 15, &hb, matrix, F16, 16,
                        CUBLAS_COMPUTE_16F, algo);
    sum += cublasGemmBatchedEx(h, T, N, 11, 12, 13, &ha, any_inputs, F16, 14, any_inputs, F16, 15, &hb,
                               any_outputs, F16, 16, 17, CUBLAS_COMPUTE_16F, algo);
    sum += cublasGemmStridedBatchedEx(h, T, N, 11, 12, 13, &ha, matrix, F16, 14, 21, matrix, F16, 15, 22, &hb,
                                      matrix, F16, 16, 23, 17, CUBLAS_COMPUTE_16F, algo);
    sum += cublasStrsmBatched(h, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER, N, CUBLAS_DIAG_UNIT, 11, 12, &fa,
                              inputs, 14, outputs, 15, 17);
    return sum + cublasDestroy(h);
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 1) {
        print_unavailable();
        return 0;
    }
    return std::strcmp(arguments[1], "--products") == 0 ? call_all() : 2;
}

#endif
