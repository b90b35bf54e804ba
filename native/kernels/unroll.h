// KERNEL_UNROLL stands before a loop over the registers of a tile: without its unrolling the tile would live
// in memory. KERNEL_ROLLED stands before a loop that the compiler would unroll into more sums than there are
// registers.
#pragma once

#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("unroll")
#define KERNEL_ROLLED _Pragma("nounroll")
#elif defined(__GNUC__)
#define KERNEL_UNROLL _Pragma("GCC unroll 16")
#define KERNEL_ROLLED _Pragma("GCC unroll 1")
#else
#define KERNEL_UNROLL
#define KERNEL_ROLLED
#endif
