// The AVX-VNNI kernels with their dot products in the encoding of AVX-512: the same instructions, for checks
// on processors that have them in that form alone.
#define KERNEL_NAMESPACE avxvnni_evex

#include "kernel_checks.h"
#include "kernels/kernels_avxvnni.cpp"
