#include "cublas_loader.h"

#include <cuda_fp16.h>

#include "cublas_v2.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

// The functions of the header with the names that the library gives them.
#define CUBLAS_FUNCTIONS(each)                                                                              \
    each(cublasCreate, "cublasCreate_v2") each(cublasDestroy, "cublasDestroy_v2")                           \
        each(cublasSetStream, "cublasSetStream_v2") each(cublasSetWorkspace, "cublasSetWorkspace_v2") each( \
            cublasSetMathMode, "cublasSetMathMode") each(cublasGetStatusString, "cublasGetStatusString")    \
            each(cublasSgemm, "cublasSgemm_v2") each(cublasSgemmBatched, "cublasSgemmBatched")              \
                each(cublasSgemmStridedBatched, "cublasSgemmStridedBatched")                                \
                    each(cublasGemmEx, "cublasGemmEx") each(cublasGemmBatchedEx, "cublasGemmBatchedEx")     \
                        each(cublasGemmStridedBatchedEx, "cublasGemmStridedBatchedEx")                      \
                            each(cublasStrsmBatched, "cublasStrsmBatched")

#ifdef _WIN32
const char* const library_names[] = {"cublas64_13.dll", "cublas64_12.dll"};
void* open_library(const char* name) { return LoadLibraryA(name); }
void* find_symbol(void* library, const char* name) {
    return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
const char* const library_names[] = {"libcublas.so.13", "libcublas.so.12"};
void* open_library(const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }
void* find_symbol(void* library, const char* name) { return dlsym(library, name); }
#endif

// Never closed: handles live until the process ends.
struct Library {
#define DECLARE(function, symbol) decltype(&::function) function = nullptr;
    CUBLAS_FUNCTIONS(DECLARE)
#undef DECLARE
    bool complete = false;

    Library() {
        for (const char* name : library_names) {
            void* library = open_library(name);
            if (library == nullptr) continue;
            complete = true;
#define RESOLVE(function, symbol)                                                     \
    function = reinterpret_cast<decltype(&::function)>(find_symbol(library, symbol)); \
    complete = complete && function != nullptr;
            CUBLAS_FUNCTIONS(RESOLVE)
#undef RESOLVE
            if (complete) return;
        }
    }
};

const Library& library() {
    static const Library instance;
    return instance;
}

template <class Function, class... Arguments>
cublasStatus_t call(Function Library::*function, Arguments... arguments) {
    if (!library().complete) return CUBLAS_STATUS_NOT_INITIALIZED;
    return (library().*function)(arguments...);
}

// Products of half precision that GGML wants summed in half precision too are summed in single precision:
// sums of hundreds of terms would lose half of the digits. The factors are then single precision as well.
class Sums {
 public:
    Sums(const void* alpha, const void* beta, cublasComputeType_t compute)
        : alpha_(alpha), beta_(beta), compute_(compute) {
        if (compute != CUBLAS_COMPUTE_16F) return;
        compute_ = CUBLAS_COMPUTE_32F;
        alpha_ = &(factors_[0] = __half2float(*static_cast<const __half*>(alpha)));
        beta_ = &(factors_[1] = __half2float(*static_cast<const __half*>(beta)));
    }
    Sums(const Sums&) = delete;
    Sums& operator=(const Sums&) = delete;

    const void* alpha() const { return alpha_; }
    const void* beta() const { return beta_; }
    cublasComputeType_t compute() const { return compute_; }

 private:
    float factors_[2] = {};
    const void* alpha_;
    const void* beta_;
    cublasComputeType_t compute_;
};

}  // namespace

namespace ggml_transformers {

bool cublas_is_available() { return library().complete; }

}  // namespace ggml_transformers

extern "C" {

cublasStatus_t cublasCreate(cublasHandle_t* handle) { return call(&Library::cublasCreate, handle); }

cublasStatus_t cublasDestroy(cublasHandle_t handle) { return call(&Library::cublasDestroy, handle); }

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
    return call(&Library::cublasSetStream, handle, stream);
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
    return call(&Library::cublasSetWorkspace, handle, workspace, bytes);
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    return call(&Library::cublasSetMathMode, handle,
                mode == CUBLAS_TF32_TENSOR_OP_MATH ? CUBLAS_DEFAULT_MATH : mode);
}

const char* cublasGetStatusString(cublasStatus_t status) {
    return library().complete ? library().cublasGetStatusString(status)
                              : "cuBLAS (libcublas 13 or 12) cannot be opened";
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                           int n, int k, const float* alpha, const float* a, int lda, const float* b, int ldb,
                           const float* beta, float* c, int ldc) {
    return call(&Library::cublasSgemm, handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

cublasStatus_t cublasSgemmBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                  int m, int n, int k, const float* alpha, const float* const a[], int lda,
                                  const float* const b[], int ldb, const float* beta, float* const c[],
                                  int ldc, int count) {
    return call(&Library::cublasSgemmBatched, handle, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c,
                ldc, count);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa,
                                         cublasOperation_t transb, int m, int n, int k, const float* alpha,
                                         const float* a, int lda, long long stride_a, const float* b, int ldb,
                                         long long stride_b, const float* beta, float* c, int ldc,
                                         long long stride_c, int count) {
    return call(&Library::cublasSgemmStridedBatched, handle, transa, transb, m, n, k, alpha, a, lda, stride_a,
                b, ldb, stride_b, beta, c, ldc, stride_c, count);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType type_a, int lda,
                            const void* b, cudaDataType type_b, int ldb, const void* beta, void* c,
                            cudaDataType type_c, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t algo) {
    const Sums sums(alpha, beta, compute);
    return call(&Library::cublasGemmEx, handle, transa, transb, m, n, k, sums.alpha(), a, type_a, lda, b,
                type_b, ldb, sums.beta(), c, type_c, ldc, sums.compute(), algo);
}

cublasStatus_t cublasGemmBatchedEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                   int m, int n, int k, const void* alpha, const void* const a[],
                                   cudaDataType type_a, int lda, const void* const b[], cudaDataType type_b,
                                   int ldb, const void* beta, void* const c[], cudaDataType type_c, int ldc,
                                   int count, cublasComputeType_t compute, cublasGemmAlgo_t algo) {
    const Sums sums(alpha, beta, compute);
    return call(&Library::cublasGemmBatchedEx, handle, transa, transb, m, n, k, sums.alpha(), a, type_a, lda,
                b, type_b, ldb, sums.beta(), c, type_c, ldc, count, sums.compute(), algo);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t transa,
                                          cublasOperation_t transb, int m, int n, int k, const void* alpha,
                                          const void* a, cudaDataType type_a, int lda, long long stride_a,
                                          const void* b, cudaDataType type_b, int ldb, long long stride_b,
                                          const void* beta, void* c, cudaDataType type_c, int ldc,
                                          long long stride_c, int count, cublasComputeType_t compute,
                                          cublasGemmAlgo_t algo) {
    const Sums sums(alpha, beta, compute);
    return call(&Library::cublasGemmStridedBatchedEx, handle, transa, transb, m, n, k, sums.alpha(), a,
                type_a, lda, stride_a, b, type_b, ldb, stride_b, sums.beta(), c, type_c, ldc, stride_c, count,
                sums.compute(), algo);
}

cublasStatus_t cublasStrsmBatched(cublasHandle_t handle, cublasSideMode_t side, cublasFillMode_t uplo,
                                  cublasOperation_t trans, cublasDiagType_t diag, int m, int n,
                                  const float* alpha, const float* const a[], int lda, float* const b[],
                                  int ldb, int count) {
    return call(&Library::cublasStrsmBatched, handle, side, uplo, trans, diag, m, n, alpha, a, lda, b, ldb,
                count);
}
}
