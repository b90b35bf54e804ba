// What a compiler must be told about the loops over the registers of a tile.
//
// KERNEL_INLINE marks a lambda or function that works on a tile's registers: were it not inlined, these would
// go through memory.
// KERNEL_UNROLL stands before such a loop: without its unrolling the tile would live in memory.
// KERNEL_IN_ORDER(a, b) keeps two sums as they are at that point: GCC would otherwise rearrange a chain of
// integer additions into a tree that needs more registers than there are, and store every product to memory.
// KERNEL_KEEP(a) does it for one.
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
#else
#define KERNEL_IN_ORDER(a, b)
#define KERNEL_KEEP(a)
#endif

#if defined(__GNUC__)
#define KERNEL_INLINE __attribute__((always_inline))
#else
#define KERNEL_INLINE
#endif
