// The kernels of each instruction set, for its table. One namespace an instruction set: what is compiled with
// its flags must never be taken by the linker for code that runs elsewhere, so these files also keep away
// from inline functions and templates of the standard library. Headers that several instruction sets compile
// for themselves put their vectors in KERNEL_NAMESPACE, which each file defines first.
#pragma once

#include "kernels/kernels.h"

namespace ggml_transformers {

namespace scalar {
template <class Unit>
void gemm(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
extern const Kernels table;
}  // namespace scalar

namespace avx2 {
void gemm_q8_0(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
extern const Kernels table;
}  // namespace avx2

namespace avxvnni {
extern const Kernels table;
}  // namespace avxvnni

namespace avx512 {
extern const Kernels table;
}  // namespace avx512

// With AMX, which only bytes gain from.
namespace amx {
template <class Unit>
void gemm(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
}  // namespace amx

// With the dot product extension.
namespace neon {
template <class Unit>
void gemm_bytes(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
void gemm_q16(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
void gemm_f32(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
extern const Kernels table;
}  // namespace neon

// With the integer matrix multiplication too, which only bytes gain from.
namespace neon_i8mm {
template <class Unit>
void gemm_bytes(const PackedWeights& weights, const Rows& rows, const Piece& piece, const Epilogue& epilogue);
extern const Kernels table;
}  // namespace neon_i8mm

}  // namespace ggml_transformers
