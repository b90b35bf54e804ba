// Before a loop over the registers of a tile: without its unrolling the tile would live in memory.
#pragma once

#if defined(__clang__)
#define KERNEL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define KERNEL_UNROLL _Pragma("GCC unroll 16")
#else
#define KERNEL_UNROLL
#endif
