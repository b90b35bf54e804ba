// Stands in for libcublas under the library's own names: writes down what arrives, computes nothing. Pointers are
// not printed, factors are read as single precision.
#include <stddef.h>
#include <stdio.h>

typedef const float* Factor;

int cublasCreate_v2(void** handle) {
    static int instance;
    *handle = &instance;
    return 0;
}
int cublasDestroy_v2(void* handle) { return handle == NULL; }
int cublasSetStream_v2(void* handle, void* stream) { return handle == NULL || stream != NULL; }
int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
    printf("workspace %zu\n", bytes);
    return handle == NULL || workspace == NULL;
}
int cublasSetMathMode(void* handle, int mode) {
    printf("math %d\n", mode);
    return handle == NULL;
}
const char* cublasGetStatusString(int status) { return status == 0 ? "success" : "failure"; }

int cublasSgemm_v2(void* h, int ta, int tb, int m, int n, int k, Factor alpha, const void* a, int lda,
                   const void* b, int ldb, Factor beta, void* c, int ldc) {
    printf("sgemm %d%d %d %d %d %g %d %d %g %d\n", ta, tb, m, n, k, *alpha, lda, ldb, *beta, ldc);
    return h == NULL || a != b || b != c;
}
int cublasSgemmBatched(void* h, int ta, int tb, int m, int n, int k, Factor alpha, void** a, int lda, void** b,
                       int ldb, Factor beta, void** c, int ldc, int count) {
    printf("sgemm batched %d%d %d %d %d %g %d %d %g %d %d\n", ta, tb, m, n, k, *alpha, lda, ldb, *beta, ldc,
           count);
    return h == NULL || *a != *b || *b != *c;
}
int cublasSgemmStridedBatched(void* h, int ta, int tb, int m, int n, int k, Factor alpha, const void* a, int lda,
                              long long sa, const void* b, int ldb, long long sb, Factor beta, void* c, int ldc,
                              long long sc, int count) {
    printf("sgemm strided %d%d %d %d %d %g %d %lld %d %lld %g %d %lld %d\n", ta, tb, m, n, k, *alpha, lda, sa, ldb,
           sb, *beta, ldc, sc, count);
    return h == NULL || a != b || b != c;
}
int cublasGemmEx(void* h, int ta, int tb, int m, int n, int k, Factor alpha, const void* a, int type_a, int lda,
                 const void* b, int type_b, int ldb, Factor beta, void* c, int type_c, int ldc, int compute,
                 int algo) {
    printf("gemm %d%d %d %d %d %g %d %d %d %d %g %d %d %d %d\n", ta, tb, m, n, k, *alpha, type_a, lda, type_b, ldb,
           *beta, type_c, ldc, compute, algo);
    return h == NULL || a != b || b != c;
}
int cublasGemmBatchedEx(void* h, int ta, int tb, int m, int n, int k, Factor alpha, void** a, int type_a, int lda,
                        void** b, int type_b, int ldb, Factor beta, void** c, int type_c, int ldc, int count,
                        int compute, int algo) {
    printf("gemm batched %d%d %d %d %d %g %d %d %d %d %g %d %d %d %d %d\n", ta, tb, m, n, k, *alpha, type_a, lda,
           type_b, ldb, *beta, type_c, ldc, count, compute, algo);
    return h == NULL || *a != *b || *b != *c;
}
int cublasGemmStridedBatchedEx(void* h, int ta, int tb, int m, int n, int k, Factor alpha, const void* a,
                               int type_a, int lda, long long sa, const void* b, int type_b, int ldb,
                               long long sb, Factor beta, void* c, int type_c, int ldc, long long sc, int count,
                               int compute, int algo) {
    printf("gemm strided %d%d %d %d %d %g %d %d %lld %d %d %lld %g %d %d %lld %d %d %d\n", ta, tb, m, n, k, *alpha,
           type_a, lda, sa, type_b, ldb, sb, *beta, type_c, ldc, sc, count, compute, algo);
    return h == NULL || a != b || b != c;
}
int cublasStrsmBatched(void* h, int side, int uplo, int trans, int diag, int m, int n, Factor alpha, void** a,
                       int lda, void** b, int ldb, int count) {
    printf("strsm %d%d%d%d %d %d %g %d %d %d\n", side, uplo, trans, diag, m, n, *alpha, lda, ldb, count);
    return h == NULL || *a != *b;
}
