// What a compiler must be told about the loops over the registers of a tile.
//
// KERNEL_INLINE marks a lambda or function that works on a tile's registers: were it not inlined, these would
// go through memory.
// KERNEL_UNROLL stands before such a loop: without its unrolling the tile would live in memory.
// KERNEL_IN_ORDER(a, b) keeps two sums as they are at that point: GCC would otherwise rearrange a chain of
// integer additions into a tree that needs more registers than there are, and store every product to memory.
// KERNEL_KEEP(a) does it for one, KERNEL_KEEP_POINTER(p) for a pointer or a whole number.
#pragma once

#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define KERNEL_UNROLL _Pragma("GCC unroll 16")
#else
#define KERNEL_UNROLL
#endif

#if defined(__GNUC__)
#define KERNEL_IN_ORDER(a, b) __asm__("" : "+x"(a), "+x"(b))
#define KERNEL_KEEP(a) __asm__("" : "+x"(a))
#define KERNEL_KEEP_POINTER(p) __asm__("" : "+r"(p))
#else
#define KERNEL_IN_ORDER(a, b)
#define KERNEL_KEEP(a)
#define KERNEL_KEEP_POINTER(p)
#endif

// KERNEL_WRITTEN(memory) keeps stores to it before what reads it unseen by the compiler: GCC does not know
// that tiles are loaded from memory.
#if defined(__GNUC__)
#define KERNEL_WRITTEN(memory) __asm__ volatile("" : : "r"(memory) : "memory")
#else
#define KERNEL_WRITTEN(memory)
#endif

// KERNEL_PREFETCH(p) fetches the line at p to the second cache.
#if defined(__GNUC__)
#define KERNEL_PREFETCH(p) __builtin_prefetch(p, 0, 2)
#elif defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#define KERNEL_PREFETCH(p) _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1)
#else
#define KERNEL_PREFETCH(p)
#endif

#if defined(__GNUC__)
#define KERNEL_INLINE __attribute__((always_inline))
#else
#define KERNEL_INLINE
#endif
